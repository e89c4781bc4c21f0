"""``crucible run``: exit codes, what goes to stdout and stderr, what is left when a run fails."""

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import crucible
import crucible.adapters.reports
import crucible.adapters.tracing
import crucible.engine
from crucible.actors.stages.bench import Bench
from crucible.messages.experiment_file import load_experiment
from crucible.messages.flow import Sample

from .support import COMMAND, Workbench

NAMES = ("data_load", "backend_call", "bench", "report")
FAILING = {"id": "mock", "options": {"errors": {"bad_request": 1.0}}}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)


def short_pipeline(**enabled: bool) -> list[dict[str, Any]]:
    return [{"name": name, "enabled": enabled.get(name, True)} for name in NAMES]


def read_record(bench: Workbench) -> tuple[Path, dict[str, Any]]:
    (folder,) = bench.runs()
    return folder, json.loads((folder / "run.json").read_text())


# a run that completes


def test_a_run_prints_its_outcome_on_stdout_and_plain_progress_on_stderr(bench: Workbench) -> None:
    ran = bench.command("run", bench.experiment(), "--out", bench.out)
    folder, record = read_record(bench)
    assert ran.code == 0
    assert record["status"] == "completed"
    assert re.search(rf"^completed in \d+\.\d s: {folder}$", ran.out, re.MULTILINE)
    assert f"  {folder}/report.json\n" in ran.out
    assert ran.lines[0] == f"run {folder.name}"
    assert [line.split(":")[0] for line in ran.lines[1:]] == [
        "data_load",
        "data_checks",
        "backend_call",
        "report",
    ]
    assert "\x1b" not in ran.out + ran.err


def test_json_prints_one_object_and_nothing_else_on_stdout(bench: Workbench) -> None:
    ran = bench.run(bench.experiment(), "--json")
    printed = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert (ran.code, printed["status"], printed["failure"]) == (0, "completed", None)
    assert {Path(artifact["path"]).name for artifact in printed["artifacts"]} >= {
        "report.json",
        "samples.jsonl",
        "trace.json",
    }
    assert all(Path(artifact["path"]).is_file() for artifact in printed["artifacts"])


def test_quiet_says_nothing_on_stderr(bench: Workbench) -> None:
    ran = bench.run(bench.experiment(), "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("completed in ")


def test_the_model_and_its_baseline_stand_side_by_side_in_the_summary(bench: Workbench) -> None:
    file = bench.experiment(baselines=[{"id": "lead"}], pipeline=short_pipeline())
    ran = bench.run(file, "--quiet")
    head, *rows = ran.out.splitlines()
    assert head.split("interval]")[1].split() == ["mock", "lead", "n", "interval", "by"]
    assert [line.split()[0] for line in rows[:2]] == ["token_f1", "exact_match"]  # compared, not compared
    assert any(line.startswith("token_f1: mock against lead: ") for line in rows)


def test_a_stage_that_is_switched_off_is_skipped_and_the_results_say_so(bench: Workbench) -> None:
    ran = bench.run(bench.experiment(pipeline=short_pipeline(bench=False)))
    folder, record = read_record(bench)
    report = json.loads((folder / "report.json").read_text())
    assert ran.code == 0
    assert "bench:" not in ran.err
    for stages in (record["stages"], report["stages"]):
        assert [stage["stage"] for stage in stages] == list(NAMES)
        (skipped,) = (stage for stage in stages if stage["stage"] == "bench")
        assert (skipped["status"], skipped["reason"]) == ("skipped", "enabled = false")


def test_a_stage_can_be_switched_off_from_the_command_line(bench: Workbench) -> None:
    file = bench.experiment(pipeline=short_pipeline())
    assert bench.run(file, "--set", "pipeline.report.enabled=false").code == 0
    folder, _ = read_record(bench)
    assert not (folder / "report.json").exists()


def test_every_output_gets_every_format_it_names(bench: Workbench) -> None:
    outputs = [{"name": "short", "formats": ["markdown"]}, {"name": "data", "formats": ["json", "markdown"]}]
    assert bench.run(bench.experiment(outputs=outputs)).code == 0
    folder, _ = read_record(bench)
    assert {path.name for path in folder.iterdir()} == {
        "short.md",
        "data.json",
        "data.md",
        "samples.jsonl",
        "trace.json",
        "trace.mmd",
        "run.json",
    }


def test_a_toml_experiment_equals_its_json_twin(bench: Workbench) -> None:
    toml = bench.folder / "experiment.toml"
    toml.write_text(
        """id = "small"
[dataset]
name = "small"
split = "all"
options = { path = "data.jsonl" }
[backend]
id = "mock"
[[pipeline]]
name = "data_load"
[[pipeline]]
name = "data_checks"
[[pipeline]]
name = "backend_call"
[[pipeline]]
name = "report"
[[outputs]]
formats = ["json"]
"""
    )
    assert load_experiment(toml) == load_experiment(bench.experiment())


def test_data_paths_count_from_the_experiment_file(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert bench.run(bench.experiment()).code == 0


# a run that fails


def test_a_stage_that_fails_ends_with_exit_code_1_and_its_reason(bench: Workbench) -> None:
    ran = bench.run(bench.experiment(backend=FAILING), "--quiet")
    folder, record = read_record(bench)
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1)
    assert ran.err.startswith("crucible: run failed: backend_call: mock: BackendError: mock: scripted error ")
    assert ran.err.endswith(
        f" (2 of 12 requests failed, more than max_failed = 0.1) (what it wrote is in {folder})\n"
    )
    assert (record["status"], record["failure_kind"]) == ("failed", "stage")


def test_json_is_one_object_when_the_run_fails_too(bench: Workbench) -> None:
    ran = bench.run(bench.experiment(backend=FAILING), "--json", "--quiet")
    printed = json.loads(ran.out)
    assert (ran.code, ran.out.count("\n"), printed["status"]) == (1, 1, "failed")
    assert "2 of 12 requests failed" in printed["failure"]


async def _broken(_self: Bench, _samples: Sequence[Sample]) -> Sequence[Sample]:
    raise ZeroDivisionError("planted")


def test_a_bug_in_a_stage_ends_with_exit_code_1_and_keeps_what_is_finished(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "process", _broken)
    ran = bench.run(bench.experiment(pipeline=short_pipeline()), "--quiet")
    folder, record = read_record(bench)
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1)
    assert ran.err.startswith("crucible: run failed: bench: ZeroDivisionError: planted (test_run_command.py:")
    assert (record["status"], record["failure_kind"]) == ("failed", "bug")
    assert "bench" not in {stage["stage"] for stage in record["stages"]}
    names = {path.name for path in folder.iterdir()}
    assert {"samples.jsonl.partial", "trace.json", "run.json"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_from_python_bad_input_raises_input_error_and_a_failed_stage_stage_error(bench: Workbench) -> None:
    asks: list[dict[str, Any]] = [{"name": "data_load"}, {"name": "backend_call"}]
    trains = [asks[0], {**asks[1], "options": {"mode": "train"}}]
    bench.write_rows([{"prompt": "without a completion"}])
    without_references = load_experiment(bench.experiment(pipeline=trains))
    with pytest.raises(crucible.InputError, match="needs training rows with a reference"):
        crucible.run(without_references, out=bench.out, base=bench.folder)
    failing = load_experiment(bench.experiment(backend=FAILING, pipeline=asks))
    with pytest.raises(crucible.StageError, match="1 of 1 requests failed") as caught:
        crucible.run(failing, out=bench.out, base=bench.folder)
    assert caught.value.stage == "backend_call"
    assert str(caught.value).startswith("stage backend_call failed: mock: BackendError: ")
    unchecked = crucible.run(failing, out=bench.out, base=bench.folder, check=False)
    assert (unchecked.status, unchecked.failure_kind) == ("failed", "stage")


def test_a_bug_of_the_engine_gets_one_line_and_leaves_no_folder(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr("crucible.planning.make_provenance", broken)
    ran = bench.run(bench.experiment())
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1)
    assert ran.err.startswith("crucible: internal error: KeyError: 'planted' (test_run_command.py:")
    assert bench.runs() == []


def fill_disk(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Let a function do its work, so that files are closed, and then fail."""
    target: Any = crucible
    *owners, name = where.split(".")
    for owner in owners:
        target = getattr(target, owner)
    works = getattr(target, name)

    def fails(*arguments: Any) -> None:
        works(*arguments)
        raise crucible.InputError("the disk is full")

    monkeypatch.setattr(target, name, fails)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("planning.write_result", "results: the disk is full"),
        ("adapters.tracing.TraceFiles.export", "results: the disk is full"),
        ("adapters.tracing.TraceFiles.close", "results: the disk is full"),
        ("adapters.reports.FileReportSink.abandon", "results: the disk is full"),
        ("adapters.reports.FileReportSink.finish", "report: the disk is full"),
        ("adapters.reports.FileReportSink.write_samples", "report: the disk is full"),
    ],
)
def test_a_run_whose_files_cannot_be_written_fails_and_ends(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, broken: str, said: str
) -> None:
    fill_disk(monkeypatch, broken)
    ran = bench.run(bench.experiment(), "--quiet")
    (folder,) = bench.runs()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"crucible: run failed: {said} (what it wrote is in {folder})\n"


async def test_a_run_whose_folder_disappears_fails_and_ends(bench: Workbench) -> None:
    async with crucible.Supervisor(out=bench.out) as supervisor:
        run = await supervisor.submit(load_experiment(bench.experiment()), base=bench.folder)
        shutil.rmtree(run.folder)
        result = await run.result()
    assert result.status == "failed"
    assert "No such file or directory" in (result.failure or "")


# terminals and pipes


def read_terminal(bench: Workbench, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, and what a terminal on stderr was sent."""
    ours, theirs = pty.openpty()
    process = bench.start(*arguments, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=50)
    return process.returncode, out, seen.decode()


HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.mark.parametrize(("backend", "code"), [({"id": "mock"}, 0), (FAILING, 1)], ids=["done", "failed"])
def test_a_terminal_gets_bars_and_is_restored(bench: Workbench, backend: dict[str, Any], code: int) -> None:
    file = bench.experiment(backend=backend)
    ended, out, seen = read_terminal(bench, "run", file, "--out", bench.out, "--json")
    assert ended == code
    assert json.loads(out)["status"] == ("completed" if code == 0 else "failed")
    assert "data_load" in seen
    assert "12/12" in seen
    assert seen.count(HIDE) == seen.count(SHOW) == 1
    assert seen.index(HIDE) < seen.index(SHOW)
    assert "Traceback" not in seen


def test_quiet_leaves_a_terminal_alone(bench: Workbench) -> None:
    code, _, seen = read_terminal(bench, "run", bench.experiment(), "--out", bench.out, "--quiet")
    assert (code, seen) == (0, "")


def in_shell(bench: Workbench, line: str) -> tuple[list[int], str]:
    """Exit codes of the parts of a pipeline, and what came to stderr."""
    script = f'{line}; echo "${{PIPESTATUS[@]}}" >&3'
    reading, writing = os.pipe()
    done = subprocess.run(
        ["bash", "-c", script.replace("&3", f"&{writing}")],
        cwd=bench.folder,
        pass_fds=[writing],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(writing)
    with os.fdopen(reading) as codes:
        return [int(code) for code in codes.read().split()], done.stderr


def test_a_reader_that_goes_away_is_no_error(bench: Workbench) -> None:
    assert in_shell(bench, f"{COMMAND} stages | head -c1") == ([0, 0], "")


def test_a_run_goes_on_when_nobody_reads_its_progress(bench: Workbench) -> None:
    file = bench.experiment(backend={"id": "mock", "options": {"latency_ms": 50}})
    codes, _ = in_shell(bench, f"{COMMAND} run {file} --out {bench.out} 2>&1 | head -c1")
    _, record = read_record(bench)
    assert (codes, record["status"]) == ([0, 0], "completed")


def test_a_failed_run_is_a_failure_even_if_nobody_reads_it(bench: Workbench) -> None:
    file = bench.experiment(backend=FAILING)
    codes, _ = in_shell(bench, f"{COMMAND} run {file} --out {bench.out} --json 2>&1 | true")
    assert codes == [1, 0]


def test_a_full_disk_under_stdout_is_reported_in_one_line(bench: Workbench) -> None:
    codes, err = in_shell(bench, f"{COMMAND} stages > /dev/full")
    assert (codes, err) == ([1], "crucible: [Errno 28] No space left on device\n")
