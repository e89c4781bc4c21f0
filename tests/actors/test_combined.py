"""What several requests for one answer took together."""

from __future__ import annotations

from typing import Any

import pytest

from crucible.actors.combined import behind, from_cache, paid, retries
from crucible.actors.stages.bench import is_race_biased
from crucible.messages.claims import Sno
from crucible.messages.dialectic import Assessment
from crucible.messages.records import (
    Ballots,
    Cached,
    Dialectic,
    DialecticRound,
    DialecticStep,
    Output,
    Race,
    Usage,
)


def output(**fields: Any) -> Output:
    return Output(**{"example_id": "e", "system": "s", "backend": "b", "cost_usd": 0.5, **fields})


def argued(*steps: Output) -> Output:
    found = Assessment(
        score=0.5, level="", critics={}, method="", confidence=0.5, coherence=0.5, evidence=0.5
    )
    first, *others = [DialecticStep(agent="proposer", method="b", output=each) for each in steps]
    rounds = (DialecticRound(number=1, challenges=(), steps=tuple(others)),)
    record = Dialectic(
        thesis=Sno(id="c1", claim="x"), assessment=found, steps=(first,), rounds=rounds, reason="settled",
        why="", chosen=0,
    )  # fmt: skip
    return output(dialectic=record)


def test_tokens_and_money_are_those_of_all_with_their_duplicates() -> None:
    race = Race(extra_usage=Usage(prompt_tokens=3, estimated=True), extra_cost_usd=0.25, duplicates=1)
    usage, cost = paid(
        [output(usage=Usage(prompt_tokens=1, completion_tokens=2), race=race), output(), output(error="no")]
    )
    assert usage == Usage(prompt_tokens=4, completion_tokens=2, estimated=True)
    assert cost == pytest.approx(1.25)
    assert retries(output(attempts=3, race=race)) == 1


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    assert paid([output(), output(cost_usd=None)])[1] is None
    assert paid([output(cost_usd=None), output()])[1] is None


def test_what_the_cache_saved_is_added_up() -> None:
    saved = output(cached=Cached(usage=Usage(prompt_tokens=5), cost_usd=0.1, latency_s=2.0))
    found = from_cache([saved, saved, output()])
    assert found == Cached(usage=Usage(prompt_tokens=10), cost_usd=pytest.approx(0.2), latency_s=2.0)  # type: ignore[arg-type]
    assert from_cache([output()]) is None


def test_the_answers_behind_an_output_are_those_of_members_or_agents() -> None:
    one, two = output(system="one"), output(system="two")
    assert behind(output()) == ()
    assert behind(argued(one, two)) == (one, two)
    votes = Ballots(status="decided", strategy="majority", reason="", members=(two,))
    assert behind(output(ballots=votes)) == (two,)


def test_an_argument_is_race_biased_when_one_of_its_answers_is() -> None:
    raced = output(race=Race(race_biased=True))
    assert is_race_biased(argued(output(), raced))
    assert not is_race_biased(argued(output(), output()))
