"""Ctrl-C and SIGTERM: the run ends in order, whatever stage it is in, and says so in one line."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from crucible.engine import Supervisor
from crucible.messages.control import StageCompleted, StageStarted
from crucible.messages.errors import RunCancelledError
from crucible.messages.experiment_file import load_experiment

from .support import STAGES, Ran, Workbench

PROMPTLY_S = 20


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)


def whole_experiment(bench: Workbench) -> Path:
    """All nine stages, with training."""
    names: list[dict[str, Any]] = [{"name": name} for name in STAGES]
    names[3]["options"] = {"mode": "train_then_sample"}
    split = {"train": 0.5, "test": 0.5, "group_by": "metadata.doc_ids"}
    return bench.experiment(
        dataset={"name": "small", "options": {"path": "data.jsonl", "split": split}},
        backend={"id": "mock", "options": {"losses": [1.0], "epochs": 1, "batch_size": 4}},
        baselines=[{"id": "lead"}],
        pipeline=names,
        reliability={"stats": {"iterations": 100}},
    )


def run_record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


def wait_until(condition: Callable[[], object]) -> None:
    """Poll for what another process or thread does."""
    deadline = time.monotonic() + PROMPTLY_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def has_left_no_temporary_file(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_run_cancelled_in_a_stage_keeps_what_is_finished(bench: Workbench, stage: str) -> None:
    completed = []
    async with Supervisor(out=bench.out) as supervisor:
        run = await supervisor.submit(load_experiment(whole_experiment(bench)), base=bench.folder)
        async for event in run.events():
            if isinstance(event, StageStarted) and event.stage == stage:
                break
            if isinstance(event, StageCompleted):
                completed.append(event.result.stage)
        async with asyncio.timeout(PROMPTLY_S):
            result = await run.cancel("interrupted")
    assert (result.status, result.failure) == ("cancelled", "interrupted")
    assert {*completed} <= {done.stage for done in result.stages}
    record = run_record(run.folder)
    assert (record["status"], record["failure"]) == ("cancelled", "interrupted")
    assert [done["stage"] for done in record["stages"]] == [done.stage for done in result.stages]
    trace = json.loads((run.folder / "trace.json").read_text())
    assert set(completed) <= {event["name"] for event in trace}
    assert has_left_no_temporary_file(run.folder)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_was_written_of_the_samples_is_whole_lines(bench: Workbench) -> None:
    async with Supervisor(out=bench.out) as supervisor:
        run = await supervisor.submit(load_experiment(whole_experiment(bench)), base=bench.folder)
        async for event in run.events():
            if isinstance(event, StageStarted) and event.stage == "report":
                break
        await run.cancel()
    lines = (run.folder / "samples.jsonl.partial").read_text().splitlines()
    assert all(json.loads(line)["outputs"] for line in lines)


async def test_a_run_that_is_over_cannot_be_cancelled_any_more(bench: Workbench) -> None:
    async with Supervisor(out=bench.out) as supervisor:
        run = await supervisor.submit(load_experiment(bench.experiment()), base=bench.folder)
        assert (await run.result()).status == "completed"
        assert (await run.cancel()).status == "completed"


async def test_leaving_the_supervisor_cancels_what_still_runs(bench: Workbench) -> None:
    slow = bench.experiment(backend={"id": "mock", "options": {"latency_ms": 600_000}})
    async with Supervisor(out=bench.out) as supervisor:
        run = await supervisor.submit(load_experiment(slow), base=bench.folder)
    result = await run.result()
    assert (result.status, result.failure) == ("cancelled", "the supervisor was closed")


async def test_a_cancelled_submit_leaves_no_folder(bench: Workbench) -> None:
    bench.data.write_bytes(b'{"prompt": "a"}\n' * 50_000)
    async with Supervisor(out=bench.out) as supervisor:
        submitting = asyncio.create_task(
            supervisor.submit(load_experiment(bench.experiment()), base=bench.folder)
        )
        await asyncio.to_thread(wait_until, bench.runs)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    assert bench.runs() == []


# the command, with real signals


def wait_for(process: "subprocess.Popen[str]", text: str) -> None:
    """Read stderr up to a line that begins with ``text``."""
    stream: IO[str] | None = process.stderr
    assert stream is not None
    for line in stream:
        if line.startswith(text):
            return
    pytest.fail(f"the command ended without {text!r}")


def ended(process: "subprocess.Popen[str]") -> Ran:
    """What it said from here on; fails if it left a process behind."""
    out, err = process.communicate(timeout=PROMPTLY_S)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return Ran(process.returncode, out, err)


@pytest.mark.parametrize(
    ("numbers", "json_wanted"),
    [
        ([signal.SIGINT], False),
        ([signal.SIGTERM], False),
        ([signal.SIGINT, signal.SIGINT], False),
        ([signal.SIGINT], True),
    ],
    ids=["SIGINT", "SIGTERM", "SIGINT twice", "SIGINT with --json"],
)
def test_a_signal_while_answers_are_awaited_ends_the_run_in_order(
    bench: Workbench, numbers: list[signal.Signals], json_wanted: bool
) -> None:
    slow = bench.experiment(backend={"id": "mock", "options": {"latency_ms": 600_000}})
    flags = ["--json"] if json_wanted else []
    process = bench.start("run", slow, "--out", bench.out, *flags)
    wait_for(process, "data_checks: completed")
    for number in numbers:
        process.send_signal(number)
    ran = ended(process)
    (folder,) = bench.runs()
    assert ran.code == 130
    assert ran.lines == [f"crucible: run cancelled: interrupted (what it wrote is in {folder})"]
    if json_wanted:
        assert json.loads(ran.out)["status"] == "cancelled"
    else:
        assert ran.out == ""
    record = run_record(folder)
    assert record["status"] == "cancelled"
    assert [stage["stage"] for stage in record["stages"]] == ["data_load", "data_checks"]
    assert has_left_no_temporary_file(folder)


def test_a_signal_while_the_data_set_is_scanned_ends_the_command_at_once(bench: Workbench) -> None:
    bench.data.write_bytes(b'{"prompt": "a"}\n' * 4_000_000)
    process = bench.start("run", bench.experiment(), "--out", bench.out)
    wait_until(bench.runs)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert (ran.code, ran.out) == (130, "")
    assert ran.lines == ["crucible: interrupted before the run began"]
    assert bench.runs() == []


def test_a_signal_ends_a_check_of_a_data_set(bench: Workbench) -> None:
    bench.data.write_bytes(b'{"prompt": "a"}\n' * 4_000_000)
    process = bench.start("data", "check", bench.data)
    wait_until(lambda: str(bench.data) in open_files(process.pid))
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert (ran.code, ran.out, ran.err) == (130, "", "crucible: interrupted\n")


async def test_a_second_signal_at_once_is_the_same_keystroke(monkeypatch: pytest.MonkeyPatch) -> None:
    from crucible.adapters.cli import interrupts

    left: list[int] = []
    monkeypatch.setattr(interrupts, "leave", left.append)
    now = [100.0]
    with interrupts.Interrupts(now=lambda: now[0]) as listening:
        listening._first()
        listening._again(signal.SIGINT, None)
        assert left == []
        now[0] += 1.5
        listening._again(signal.SIGINT, None)
        assert left == [130]
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


async def test_an_interrupt_before_the_run_is_a_cancelled_run() -> None:
    from crucible.adapters.cli.interrupts import Interrupts

    with Interrupts() as listening:
        guarded = asyncio.create_task(listening.guard(asyncio.sleep(600)))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(RunCancelledError, match="before the run began"):
            await guarded
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
