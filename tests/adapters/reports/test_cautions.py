from typing import Any, Literal

import msgspec
import pytest

from crucible.adapters.reports.cautions import cautions
from crucible.adapters.reports.overview import verdicts
from crucible.messages.experiment import BackendRef, DatasetRef
from crucible.messages.flow import StageResult
from crucible.messages.report import RunReport

from .conftest import make_report

Split = Literal["train", "validation", "test", "all"]

TRAINED = {"rows": 48, "held_out_loss": 0.4}
TRAINED_ON = "include the 48 that the model was trained on"
CHOSEN_BY = "include those that chose the checkpoint"


def report(split: Split, metrics: dict[str, Any], **backend: Any) -> RunReport:
    made = make_report()
    experiment = msgspec.structs.replace(
        made.experiment,
        dataset=DatasetRef(name="d", provider="jsonl", split=split),
        backend=BackendRef(id="extractive", options=backend),
    )
    call = StageResult(stage="backend_call", status="completed", metrics=metrics)
    return msgspec.structs.replace(made, experiment=experiment, stages=(call,))


@pytest.mark.parametrize(
    ("split", "keep", "expected"),
    [
        ("test", "best", []),
        ("train", "best", [TRAINED_ON]),
        ("validation", "best", [CHOSEN_BY]),
        ("validation", "last", []),
        ("all", "best", [TRAINED_ON, CHOSEN_BY]),
    ],
)
def test_a_report_says_when_training_saw_the_measured_rows(
    split: Split, keep: str, expected: list[str]
) -> None:
    found = cautions(report(split, {"training": TRAINED}, keep=keep))
    assert len(found) == len(expected)
    assert all(part in line for part, line in zip(expected, found, strict=True))


def test_rows_that_nothing_was_trained_on_need_no_caution() -> None:
    assert cautions(report("all", {"systems": {"m": {"asked": 9, "failed": 0}}})) == []


def test_what_bench_has_to_note_is_told_before_the_verdicts() -> None:
    told = "new: exact_match is 1 in 1 of 9 answers, though the reference stands in 8: see includes"
    bench = StageResult(stage="bench", status="completed", reason=told)
    made = msgspec.structs.replace(make_report(), stages=(bench,))
    assert cautions(made) == [f"bench: {told}."]
    skipped = msgspec.structs.replace(bench, status="skipped")
    assert cautions(msgspec.structs.replace(made, stages=(skipped,))) == []


def test_failed_requests_are_told_before_the_verdicts() -> None:
    made = report("test", {"systems": {"m": {"asked": 9, "failed": 0}, "lead": {"asked": 9, "failed": 8}}})
    assert verdicts(made)[0] == (
        "8 of 9 requests to lead failed; a failed request scores as an empty answer."
    )
