"""What a person sees while a run goes on, where stderr is no terminal."""

import io
import json

import pytest

from crucible.adapters.cli import progress
from crucible.messages.control import Progress, RunStarted, StageCompleted, StageFailed, StageStarted
from crucible.messages.flow import StageResult


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("crucible.adapters.cli.progress.time.monotonic", lambda: now[0])
    return now


def test_a_line_is_printed_for_the_run_and_for_each_finished_stage() -> None:
    stream = io.StringIO()
    result = StageResult(stage="bench", status="completed", received=3, emitted=2, seconds=1.25)
    with progress.make_progress(stream, "auto") as view:
        view.show(RunStarted(run_id="r1", experiment_id="x", stages=("bench",)))
        view.show(StageStarted(stage="bench"))
        view.show(StageCompleted(result=result))
        view.show(StageFailed(stage="report", reason="no"))
    assert stream.getvalue().splitlines() == ["run r1", "bench: completed, 3 in, 2 out, 1.2 s"]


def test_a_stage_at_work_is_heard_of_every_five_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    with progress.make_progress(stream, "auto") as view:
        for second in range(12):
            clock[0] = float(second)
            view.show(Progress(stage="backend_call", done=second, total=12, phase="sample", note="loss 0.4"))
    assert stream.getvalue().splitlines() == [
        "backend_call: sample 5 of 12 loss 0.4",
        "backend_call: sample 10 of 12 loss 0.4",
    ]


def test_quiet_prints_nothing() -> None:
    stream = io.StringIO()
    with progress.make_progress(stream, "none") as view:
        view.show(RunStarted(run_id="r1", experiment_id="x", stages=()))
    assert stream.getvalue() == ""


def test_the_log_has_one_json_object_for_each_event() -> None:
    stream = io.StringIO()
    with progress.make_progress(stream, "log") as view:
        view.show(RunStarted(run_id="r", experiment_id="x", stages=("data_load",)))
        view.show(StageFailed(stage="data_load", reason="no"))
    started, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (started["event"], started["level"], started["stages"]) == ("RunStarted", "info", ["data_load"])
    assert (failed["event"], failed["level"], failed["reason"]) == ("StageFailed", "error", "no")
    assert failed["timestamp"].endswith("Z")
