"""Which scores of short answers bench gives, shows and compares."""

from collections.abc import Sequence
from typing import Any

import msgspec

from crucible.actors.answer_scoring import AnswerScoring
from crucible.actors.stages.bench import Bench, BenchOptions
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Example, Output


def row(number: int, reference: str | None, answers: dict[str, str], **fields: Any) -> Sample:
    name = f"r{number}"
    return Sample(
        example=Example(id=name, input="?", reference=reference, fields=fields),
        outputs=tuple(
            Output(example_id=name, system=system, backend="mock", text=text)
            for system, text in answers.items()
        ),
    )


async def benched(samples: Sequence[Sample], *metrics: str) -> StageResult:
    work = Bench(
        PairedStatistics(),
        StatsConfig(iterations=100),
        BenchOptions(metrics=metrics),
        model="new",
        baselines=("old",),
        seed=1,
    )
    await work.process(samples)
    return await work.finish(())


def shown(result: StageResult) -> set[str]:
    names = {figure.name for figure in result.figures}
    assert {shape.metric for shape in result.distributions} == names
    return names


def compared(result: StageResult) -> set[str]:
    return {comparison.metric for comparison in result.comparisons}


async def test_the_method_of_a_figure_names_the_normalisation() -> None:
    result = await benched([row(n, "Paris", {"new": "Paris.", "old": "Rome"}) for n in range(3)])
    exact = next(figure for figure in result.figures if figure.name == "exact_match")
    assert exact.value == 1.0
    assert "words normalised as in SQuAD" in exact.method


async def test_numbers_are_matched_where_at_least_half_of_the_references_are_numbers() -> None:
    answers = {"new": "It is 4.", "old": "5"}
    half = await benched([row(n, "4" if n % 2 else "four", answers) for n in range(6)])
    few = await benched([row(n, "four" if n else "4", answers) for n in range(6)])
    assert "numeric_match" in shown(half) & compared(half)
    assert "numeric_match" not in shown(few) | compared(few)


async def test_a_score_that_few_rows_have_is_shown_when_it_is_asked_for() -> None:
    answers = {"new": "It is 4.", "old": "5"}
    rows = [row(n, "four" if n > 2 else "4", answers) for n in range(9)]
    result = await benched(rows, "numeric_match")
    assert "numeric_match" in shown(result)
    assert [(each.metric, each.n) for each in result.comparisons] == [("numeric_match", 3)]


async def test_choices_are_matched_where_rows_have_them() -> None:
    answers = {"new": "B) Tokyo", "old": "A"}
    rows = [row(n, "Tokyo", answers, choices=["Paris", "Tokyo"]) for n in range(3)]
    result = await benched(rows)
    means = {(f.name, f.system): f.value for f in result.figures}
    assert (means["choice_match", "new"], means["choice_match", "old"]) == (1.0, 0.0)


async def test_a_score_that_no_row_can_have_says_what_it_needs() -> None:
    result = await benched([row(n, "x", {"new": "x", "old": "y"}) for n in range(3)], "choice_match")
    assert result.status == "failed"
    assert result.reason == (
        "nothing was compared; choice_match: no row has choices and a reference that names one of them"
    )


async def test_includes_is_left_out_of_answers_that_were_analysed_unless_it_is_asked_for() -> None:
    rows = [
        Sample(
            example=each.example,
            outputs=each.outputs,
            scores=tuple(
                OutputScores(system=system, scores={"quality": 1.0}, methods={"quality": "x"})
                for system in ("new", "old")
            ),
        )
        for each in (row(n, "x", {"new": "x y", "old": "y"}) for n in range(3))
    ]
    assert "includes" not in shown(await benched(rows))
    assert "includes" in shown(await benched(rows, "includes"))


async def test_a_system_that_was_not_asked_has_the_scores_of_an_empty_answer() -> None:
    rows = [row(n, "4", {"new": "4"} if n else {"new": "4", "old": "4"}) for n in range(4)]
    means = {(f.name, f.system): f.value for f in (await benched(rows)).figures}
    assert [means[name, "old"] for name in ("exact_match", "includes", "numeric_match")] == [0.25] * 3


async def test_answers_that_hold_their_reference_without_being_exact_are_pointed_out() -> None:
    rows = [
        row(n, "Paris", {"new": "Paris" if n == 0 else "It is Paris, of course.", "old": "Rome"})
        for n in range(4)
    ]
    told = "new: exact_match is 1 in 1 of 4 answers, though the reference stands in 4: see includes"
    assert (await benched(rows)).reason == told


def test_a_score_that_is_already_known_is_left_as_it_is() -> None:
    known = OutputScores(system="new", scores={"includes": 0.5}, methods={"includes": "their own"})
    seen = msgspec.structs.replace(row(1, "x", {"new": "x"}), scores=(known,))
    scored, extra = AnswerScoring(asked=frozenset(("includes",))).score(seen)
    assert (scored.scores[0].scores["includes"], scored.scores[0].methods["includes"]) == (0.5, "their own")
    assert extra == ()


async def test_few_answers_that_hold_their_reference_are_not_pointed_out() -> None:
    rows = [row(n, "Paris", {"new": "to Paris" if n < 2 else "Rome", "old": "Rome"}) for n in range(5)]
    assert (await benched(rows)).reason is None


async def test_exact_answers_are_not_pointed_out() -> None:
    rows = [row(n, "Paris", {"new": "Paris" if n < 3 else "to Paris", "old": "Rome"}) for n in range(4)]
    assert (await benched(rows)).reason is None
