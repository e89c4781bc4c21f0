"""The fairness stage without actors around it, with the real arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from crucible.actors.stages.fairness import Fairness, FairnessOptions
from crucible.adapters.statistics.group_gaps import group_gaps
from crucible.messages.errors import StageError
from crucible.messages.experiment import FairnessConfig
from crucible.messages.fairness import FairnessResult, GroupGap
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Example, Output


def stage(group_by: str | None = "lang", *, enabled: bool = True, **options: Any) -> Fairness:
    config = FairnessConfig(enabled=enabled, group_by=group_by)
    decoded = FairnessOptions(**({"min_per_group": 1} | options))
    return Fairness(group_gaps, config, decoded, model="model", level=0.95)


def sample(number: int, fields: dict[str, Any], answer: str = "yes", reference: str = "yes") -> Sample:
    example = Example(id=f"r{number}", input="?", reference=reference, fields=fields)
    output = Output(example_id=example.id, system="model", backend="mock", text=answer)
    return Sample(example=example, outputs=(output,))


def two_languages() -> list[Sample]:
    """English: 3 of 4 answers are right; Polish: 1 of 4."""
    answers = ["yes", "yes", "YES ", "no", "yes", "no", "no", "no"]
    return [sample(i, {"lang": "en" if i < 4 else "pl"}, answer) for i, answer in enumerate(answers)]


async def ended(work: Fairness, samples: Sequence[Sample]) -> StageResult:
    assert list(await work.process(samples)) == list(samples)
    return await work.finish(())


def gap(result: FairnessResult, criterion: str) -> GroupGap:
    return next(g for g in result.gaps if (g.criterion, g.measure) == (criterion, "difference"))


async def test_by_default_an_exact_match_is_the_positive_outcome_and_only_parity_is_defined() -> None:
    result = await ended(stage(), two_languages())
    assert result.status == "completed"
    assert result.metrics["groups"] == {"en": 4, "pl": 4}
    found = result.fairness[0]
    assert gap(found, "demographic_parity").value == pytest.approx(0.5)
    odds = gap(found, "equalized_odds")
    assert (odds.value, odds.reason) == (None, "no row has a label: set positive or label_field")


async def test_a_reference_inside_the_answer_can_be_the_positive_outcome() -> None:
    samples = [
        sample(i, {"lang": "en" if i < 4 else "pl"}, "Well, yes." if i < 3 else "no") for i in range(8)
    ]
    found = (await ended(stage(outcome="includes"), samples)).fairness[0]
    assert gap(found, "demographic_parity").value == pytest.approx(0.75)


async def test_with_a_positive_answer_references_are_the_labels() -> None:
    rows = [("en", "yes", "yes"), ("en", "no", "yes"), ("en", "yes", "no"), ("en", "no", "no")]
    rows += [("pl", "yes", "yes"), ("pl", "yes", "yes"), ("pl", "no", "no"), ("pl", "no", "no")]
    samples = [sample(i, {"lang": g}, answer, ref) for i, (g, answer, ref) in enumerate(rows)]
    found = (await ended(stage(positive="Yes"), samples)).fairness[0]
    values = {g.criterion: g.value for g in found.gaps if g.measure == "difference"}
    assert values == {
        "demographic_parity": 0.0,
        "equal_opportunity": 0.5,
        "equalized_odds": 0.5,
        "predictive_parity": 0.5,
    }


async def test_labels_may_stand_in_a_field_and_groups_deep_in_one() -> None:
    samples = [
        sample(i, {"meta": {"male": i % 2 == 0}, "hired": int(i < 4)}, "yes" if i < 3 else "no")
        for i in range(8)
    ]
    result = await ended(stage("meta.male", label_field="hired"), samples)
    assert result.metrics["groups"] == {"true": 4, "false": 4}
    assert result.metrics["label"] == "field hired"
    assert gap(result.fairness[0], "equal_opportunity").value == pytest.approx(0.5)


async def test_a_score_of_the_analysis_can_decide_the_outcome() -> None:
    samples = [
        Sample(
            example=s.example,
            outputs=s.outputs,
            scores=(OutputScores(system="model", scores={"quality": None if i == 7 else i / 10}),),
        )
        for i, s in enumerate(two_languages())
    ]
    found = (await ended(stage(outcome="quality", cut=0.3), samples)).fairness[0]
    rates = {rate.group: (rate.value, rate.n) for rate in found.rates if rate.rate == "selection_rate"}
    assert rates == {"en": (0.25, 4), "pl": (1.0, 3)}
    missing = await ended(stage(outcome="qualty"), samples)
    assert (missing.status, missing.fairness) == ("skipped", ())
    assert missing.reason == "no output has the score 'qualty'; did you mean 'quality'?"


async def test_rows_without_a_group_are_counted_and_left_out() -> None:
    extra = [sample(20, {}), sample(21, {"lang": None}), sample(22, {"lang": ["en"]})]
    result = await ended(stage(), [*extra, *two_languages()])
    assert result.metrics["rows_without_group"] == 3
    assert gap(result.fairness[0], "demographic_parity").n == 8


async def test_a_system_that_did_not_answer_everywhere_keeps_its_rows_in_line() -> None:
    samples = two_languages()
    late = Output(example_id="r7", system="late", backend="mock", text="yes")
    samples[7] = Sample(example=samples[7].example, outputs=(*samples[7].outputs, late))
    samples.append(sample(8, {"lang": "en"}))
    results = {found.system: found for found in (await ended(stage(), samples)).fairness}
    rates = {
        rate.group: (rate.value, rate.n) for rate in results["late"].rates if rate.rate == "selection_rate"
    }
    assert rates == {"en": (None, 0), "pl": (1.0, 1)}


async def test_groups_of_the_data_are_clusters_of_the_intervals() -> None:
    samples = [
        Sample(
            example=Example(
                id=f"r{i}", input="?", reference="yes", group=f"d{i // 4}", fields={"lang": "ep"[i % 2]}
            ),
            outputs=(Output(example_id=f"r{i}", system="model", backend="m", text="yes" if i % 3 else "no"),),
        )
        for i in range(40)
    ]
    interval = gap((await ended(stage(), samples)).fairness[0], "demographic_parity").interval
    assert interval is not None
    assert interval.method == "CR1"


async def test_what_cannot_be_done_is_skipped_with_its_reason() -> None:
    off = await ended(stage(None, enabled=False), two_languages())
    assert (off.status, off.reason) == ("skipped", "fairness is off: reliability.fairness.enabled is false")
    nothing = await ended(stage(), [])
    assert nothing.reason == "no output reached fairness"
    wrong = await ended(stage("lnag"), two_languages())
    assert wrong.reason == "no row has a text or number in the field 'lnag'; did you mean 'lang'?"
    many = await ended(stage(), [sample(i, {"lang": f"l{i}"}) for i in range(51)])
    assert many.reason == "'lang' has more than 50 different values, too many for groups"


async def test_a_difference_that_exceeds_the_threshold_for_certain_can_end_the_run() -> None:
    samples = [sample(i, {"lang": "en" if i % 2 else "pl"}, "yes" if i % 2 else "no") for i in range(100)]
    allowed = await ended(stage(), samples)
    assert gap(allowed.fairness[0], "demographic_parity").verdict == "exceeds"
    with pytest.raises(StageError, match="demographic_parity: en is 1 above pl"):
        await ended(stage(fail_on_violation=True), samples)
    undecided = await ended(stage(fail_on_violation=True), two_languages())
    assert undecided.status == "completed"
