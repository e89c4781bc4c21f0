"""What the stage counts of the arguments, and what it keeps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.actors.stages.dialectic import DialecticCount
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.claims import Challenge, Sno
from crucible.messages.dialectic import Assessment
from crucible.messages.experiment import StatsConfig
from crucible.messages.flow import Sample
from crucible.messages.records import Dialectic, DialecticRound, DialecticStep, Example, Output


def measured(score: float | None) -> Assessment:
    return Assessment(
        score=score, level="good", critics={}, method="lexical critics", confidence=0.5, coherence=0.5,
        evidence=1.0,
    )  # fmt: skip


def argument(*scores: float | None, chosen: int | None = None, **fields: Any) -> Dialectic:
    """A thesis and a synthesis for each further score."""
    challenge = Challenge(id="k1", target="c1", type="scope", resolution="accepted")
    raw = Output(example_id="e", system="m antagonist", backend="openai", text="a long reply")
    steps = (DialecticStep(agent="antagonist", method="openai", output=raw),)
    rounds = tuple(
        DialecticRound(
            number=number, challenges=(challenge,), synthesis=Sno(id=f"s{number}", claim="so"),
            assessment=measured(score), steps=steps,
        )
        for number, score in enumerate(scores[1:], start=1)
    )  # fmt: skip
    filled: dict[str, Any] = {"reason": "settled", "why": "", "steps": (), **fields}
    return Dialectic(
        thesis=Sno(id="c1", claim="so"), assessment=measured(scores[0]), rounds=rounds,
        chosen=len(rounds) if chosen is None else chosen, **filled,
    )  # fmt: skip


def sample(number: int, record: Dialectic | None, group: str | None = None) -> Sample:
    example = Example(id=f"e{number}", input="", group=group)
    output = Output(example_id=example.id, system="model", backend="openai", dialectic=record)
    plain = Output(example_id=example.id, system="base", backend="lead")
    return Sample(example=example, outputs=(output, plain))


def counter(max_rounds: int = 3) -> DialecticCount:
    return DialecticCount(PairedStatistics(), StatsConfig(iterations=200), max_rounds=max_rounds, seed=1)


async def result(*records: Dialectic | None) -> Any:
    work = counter()
    samples = [sample(number, record) for number, record in enumerate(records)]
    assert await work.process(samples) == samples
    return await work.finish(())


async def test_an_argument_that_has_ended_keeps_its_score_so_that_rounds_can_be_compared() -> None:
    found = await result(argument(0.2, 0.4), argument(0.6, 0.6, 0.8))
    told = [(each["round"], each["score"], each["reached"]) for each in found.metrics["by_round"]]
    assert told == [(0, pytest.approx(0.4), 2), (1, pytest.approx(0.5), 2), (2, pytest.approx(0.6), 1)]


async def test_the_answers_score_is_that_of_the_chosen_round() -> None:
    found = await result(argument(0.2, 0.9, 0.4, chosen=1), argument(0.4, 0.3, chosen=0))
    figures = {metric.name: metric.value for metric in found.figures}
    assert figures == {
        "critic_score_thesis": pytest.approx(0.3),
        "critic_score_answer": pytest.approx(0.65),
    }
    assert found.metrics["answer_score"] == pytest.approx(0.65)


async def test_a_score_that_nobody_could_give_is_no_zero() -> None:
    found = await result(argument(None), argument(0.5))
    assert (found.metrics["thesis_score"], found.figures[0].n) == (0.5, 1)


async def test_reasons_rounds_challenges_and_fallbacks_are_counted() -> None:
    stood_in = DialecticStep(agent="proposer", method="heuristic", fallback="the answer has no claim")
    found = await result(
        argument(0.5), argument(0.5, 0.6), argument(0.5, 0.6, reason="target", steps=(stood_in,)), None
    )
    told = found.metrics
    assert told["examples"] == 3
    assert told["reasons"] == {"settled": 2, "target": 1}
    assert told["rounds"] == {"0": 1, "1": 2}
    assert (told["challenges"], told["resolutions"]) == ({"scope": 2}, {"accepted": 2})
    assert told["fallbacks"] == {"proposer": 1, "antagonist": 0}


async def test_the_examples_that_moved_most_are_kept_without_the_raw_replies() -> None:
    moves = [0.0, 0.3, 0.1, 0.2, 0.4]
    found = await result(*(argument(0.5, 0.5 - move) for move in moves))
    shown = found.metrics["shown"]
    assert [each["example_id"] for each in shown] == ["e4", "e1", "e3"]
    assert "a long reply" not in msgspec.json.encode(shown).decode()
    assert shown[0]["dialectic"]["rounds"][0]["steps"][0]["method"] == "openai"


async def test_rows_of_one_group_are_one_cluster() -> None:
    work = counter()
    await work.process([sample(n, argument(0.1 * n), group="ab"[n % 2]) for n in range(8)])
    found = await work.finish(())
    interval = found.figures[0].interval
    assert interval is None or "2 clusters" in interval.method


async def test_nothing_argued_over_is_skipped_with_a_reason() -> None:
    found = await result(None)
    assert (found.status, found.reason) == (
        "skipped", "nothing was argued over: no answer holds a claim",
    )  # fmt: skip


async def test_the_rows_are_dropped_once_the_result_is_handed_on() -> None:
    work = counter()
    await work.process([sample(0, argument(0.5))])
    await work.finish(())
    work.release()
    assert (await work.finish(())).status == "skipped"
