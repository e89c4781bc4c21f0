"""When a dialectic ends, and with which answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.actors.dialectic.convergence import after_objections, after_round, chosen_round
from crucible.actors.dialectic.settings import DialecticOptions
from crucible.messages.dialectic import Assessment

OPTIONS = DialecticOptions(max_rounds=3, target=0.9)


def measured(score: float | None = 0.5, **fields: Any) -> Assessment:
    filled: dict[str, Any] = {
        "level": "acceptable", "critics": {}, "method": "lexical", "confidence": 0.5, "coherence": 0.5,
        "evidence": 0.5, "change": 0.5,
    }  # fmt: skip
    return Assessment(score=score, **{**filled, **fields})


def reason(options: DialecticOptions, *rounds: Assessment) -> str | None:
    stop = after_round(options, rounds)
    return None if stop is None else stop.reason


def test_it_goes_on_while_no_rule_holds() -> None:
    assert reason(OPTIONS, measured(0.5), measured(0.6)) is None


@pytest.mark.parametrize(("score", "ended"), [(0.9, "target"), (0.8999, None), (None, None)])
def test_it_ends_when_the_critics_score_reaches_the_target(score: float | None, ended: str | None) -> None:
    assert reason(OPTIONS, measured(), measured(score)) == ended


def test_a_good_thesis_stands_only_when_no_round_is_asked_for() -> None:
    good = measured(0.95)
    assert reason(OPTIONS, good) is None
    assert reason(msgspec.structs.replace(OPTIONS, min_rounds=0), good) == "target"


@pytest.mark.parametrize("below", [None, "confidence", "coherence", "evidence"])
def test_the_published_rule_needs_all_three_figures(below: str | None) -> None:
    figures = {"confidence": 0.85, "coherence": 0.8, "evidence": 0.35}
    if below is not None:
        figures[below] -= 0.001
    assert reason(OPTIONS, measured(), measured(**figures)) == ("coherent" if below is None else None)


def test_it_ends_when_text_and_score_have_settled_and_not_when_one_of_them_still_moves() -> None:
    assert reason(OPTIONS, measured(0.5), measured(0.51, change=0.01)) == "settled"
    assert reason(OPTIONS, measured(0.5), measured(0.55, change=0.01)) is None
    assert reason(OPTIONS, measured(0.5), measured(0.51, change=0.1)) is None
    assert reason(OPTIONS, measured(None), measured(None, change=0.0)) == "settled"
    assert reason(OPTIONS, measured(0.5), measured(None, change=0.0)) is None


def test_nothing_but_the_last_round_ends_it_before_the_least_number_of_rounds() -> None:
    patient = DialecticOptions(min_rounds=2, max_rounds=2, target=0.1)
    assert reason(patient, measured(), measured(change=0.0)) is None
    assert reason(patient, measured(), measured(), measured(0.05)) == "max_rounds"


def test_it_ends_after_the_most_rounds() -> None:
    rounds = [measured(0.1 * n) for n in range(1, 5)]
    assert [reason(OPTIONS, *rounds[: n + 1]) for n in range(4)] == [None, None, None, "max_rounds"]


@pytest.mark.parametrize(
    ("chirality", "rival", "shared", "ended"),
    [
        (0.09, False, None, "no_conflict"),
        (0.1, False, None, None),
        (0.0, True, 0.5, None),
        (0.9, True, 0.1, "apart"),
        (0.9, True, None, None),
        (0.0, False, 0.0, "no_conflict"),
    ],
)
def test_a_synthesis_is_made_only_of_what_stands_apart_over_the_same_evidence(
    chirality: float, rival: bool, shared: float | None, ended: str | None
) -> None:
    options = DialecticOptions(min_chirality=0.1, min_entanglement=0.2)
    stop = after_objections(options, chirality=chirality, rival=rival, entanglement=shared)
    assert (None if stop is None else stop.reason) == ended


def test_the_reason_names_the_figure_and_its_bar() -> None:
    stop = after_round(OPTIONS, [measured(), measured(0.93)])
    assert stop is not None
    assert stop.why == "the critics give 0.930, target = 0.9"


def test_the_answer_is_the_last_or_the_best_and_of_equals_the_later() -> None:
    rounds = [measured(0.5), measured(0.7), measured(0.7), measured(None)]
    assert chosen_round(OPTIONS, rounds) == 3
    assert chosen_round(msgspec.structs.replace(OPTIONS, keep="best"), rounds) == 2
