"""``crucible run --persistence sqlite``: a run that outlives its process, without a daemon."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .model_server import ModelServer, Stopping
from .support import COMMAND, Ran, Workbench

ROWS = 12


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Workbench:
    for name in ("CRUCIBLE_URL", "CRUCIBLE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRUCIBLE_DATA", str(tmp_path / "kept"))
    return Workbench(tmp_path, capsys)


def keep(bench: Workbench, file: Path, *arguments: str) -> Ran:
    return bench.crucible("run", file, "--persistence", "sqlite", *arguments)


def kept(bench: Workbench) -> list[dict[str, Any]]:
    """The runs, the newest first."""
    found: list[dict[str, Any]] = json.loads(bench.crucible("runs", "--json").out)
    return found


@contextlib.contextmanager
def hanging(
    bench: Workbench, server: ModelServer, model: Stopping
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The command in a process of its own, at the moment when a request of it hangs."""
    backend = {"id": "openai", "options": {"model": "m", "base_url": server.url}}
    pipeline = [
        {"name": "data_load"},
        {"name": "backend_call", "options": {"concurrency": 1}},
        {"name": "report"},
    ]
    file = bench.experiment(backend=backend, pipeline=pipeline)
    with bench.start("run", file, "--persistence", "sqlite") as process:
        while not model.hangs.wait(0.2):
            assert process.poll() is None, process.stderr and process.stderr.read()
        yield process, file
        process.communicate(timeout=50)


def test_a_killed_run_goes_on_when_it_is_run_again_and_asks_nothing_twice(bench: Workbench) -> None:
    model = Stopping(5)
    with ModelServer(model) as server:
        with hanging(bench, server, model) as (process, file):
            process.kill()
        (run,) = kept(bench)
        assert run["state"] == "running"
        again = keep(bench, file)
        assert again.code == 0, again.err
        assert f"crucible: going on with run {run['id']}\n" in again.err
        asked, keys = Counter(server.asked), server.keys
    assert sorted(asked.values()) == [1] * (ROWS - 1) + [2]  # the one that hung
    assert asked.most_common(1)[0][0] == server.asked[5]
    again_at = server.asked.index(server.asked[5], 6)
    assert keys[again_at] == keys[5] is not None  # a server that honours it bills that call once
    assert len(set(keys)) == ROWS
    assert [(each["id"], each["state"]) for each in kept(bench)] == [(run["id"], "completed")]
    folder = bench.folder / "kept" / "runs" / run["id"]
    assert len((folder / "samples.jsonl").read_bytes().splitlines()) == ROWS
    assert str(folder) in again.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_handed_back_and_the_next_time_gone_on_with(
    bench: Workbench, number: signal.Signals
) -> None:
    model = Stopping(3)
    with ModelServer(model) as server:
        with hanging(bench, server, model) as (process, file):
            process.send_signal(number)
            _, told = process.communicate(timeout=50)
        assert process.returncode == 130
        assert told.splitlines()[-1] == "crucible: interrupted: the run is back in the queue"
        (run,) = kept(bench)
        assert (run["state"], run["attempt"]) == ("queued", 0)
        assert keep(bench, file, "--quiet").code == 0
        assert len(server.asked) == ROWS + 1


def test_a_run_that_completed_is_run_anew(bench: Workbench) -> None:
    file = bench.experiment()
    assert keep(bench, file).code == keep(bench, file).code == 0
    assert [run["state"] for run in kept(bench)] == ["completed"] * 2
    assert len({run["id"] for run in kept(bench)}) == 2


def test_what_is_kept_is_told_without_a_daemon(bench: Workbench) -> None:
    ran = keep(bench, bench.experiment(), "--json")
    run = json.loads(ran.out)["run_id"]
    listed = bench.crucible("runs")
    assert listed.out.startswith(f"{run}  completed")
    assert listed.lines == [
        f"crucible: no daemon is running on {bench.folder}/kept: this is what is kept there"
    ]
    assert bench.crucible("status").out == "runs: completed 1\n"
    assert "  report: completed" in bench.crucible("status", run).out
    told = json.loads(bench.crucible("status", run, "--json").out)
    assert [stage["name"] for stage in told["stages"]][-1] == "report"
    kinds = [line.split()[2] for line in bench.crucible("logs", run).out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("run.submitted", "run.completed")
    checked = bench.crucible("db", "check", "--data", bench.folder / "kept")
    assert "  runs: 1 completed\n" in checked.out
    for command in ("status", "logs"):
        unknown = bench.crucible(command, "nobody")
        assert (unknown.code, unknown.lines[-1]) == (2, "crucible: there is no run 'nobody'")


def test_a_run_that_fails_exits_as_ever_and_is_tried_again_when_it_is_run_again(bench: Workbench) -> None:
    file = bench.experiment(backend={"id": "mock", "options": {"errors": {"bad_request": 1.0}}})
    codes = [keep(bench, file).code for _ in range(2)]
    assert codes == [1, 1] == [bench.run(file).code] * 2
    assert [run["state"] for run in kept(bench)] == ["failed"]


def test_bad_data_and_bad_experiments_are_told_as_ever_and_leave_nothing(bench: Workbench) -> None:
    bench.write_rows([])
    empty, odd = bench.experiment(), bench.experiment("odd.json", backend={"id": "mokc"})
    for file in (empty, odd):
        ran, plain = keep(bench, file), bench.run(file)
        assert (ran.code, ran.err) == (2, plain.err)
    assert kept(bench) == []


def test_a_folder_that_another_process_has_is_refused_in_one_line(bench: Workbench) -> None:
    model = Stopping(0)
    with ModelServer(model) as server, hanging(bench, server, model) as (process, file):
        ran = keep(bench, file)
        assert (ran.code, len(ran.lines)) == (2, 1)
        assert "a daemon or another run has it" in ran.err
        assert "crucible submit" in ran.err
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--persistence", "postgres"), 'Choose from: "off", "sqlite"'),
        (("--data", "x"), "--data has no effect without --persistence sqlite"),
        (("--persistence", "sqlite", "--out", "x"), "--out has no effect with --persistence sqlite"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    bench: Workbench, arguments: tuple[str, ...], told: str
) -> None:
    ran = bench.crucible("run", bench.experiment(), *arguments)
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert told in ran.err
    assert not (bench.folder / "kept").exists()


def test_a_reproduction_is_not_kept(bench: Workbench) -> None:
    ran = bench.crucible("run", "--reproduce", "some-run", "--persistence", "sqlite")
    assert (ran.code, ran.lines) == (
        2,
        ["crucible: run: --reproduce cannot be kept: expected no --persistence sqlite"],
    )


def test_a_database_that_cannot_be_used_is_refused_and_left_as_it_is(bench: Workbench) -> None:
    folder = bench.folder / "kept"
    folder.mkdir()
    (folder / "queue.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    before = (folder / "queue.db").read_bytes()
    for ran in (keep(bench, bench.experiment()), bench.crucible("runs")):
        assert ran.code == 2
        assert "queue.db: is damaged" in ran.lines[-1]
    assert (folder / "queue.db").read_bytes() == before


def test_a_daemon_on_the_folder_finds_what_was_kept(bench: Workbench) -> None:
    """And goes on with what is in the queue."""
    model = Stopping(4)
    with ModelServer(model) as server:
        with hanging(bench, server, model) as (process, _):
            process.kill()
        (run,) = kept(bench)
        serving = subprocess.Popen(
            [COMMAND, "serve", "--data", str(bench.folder / "kept"), "--set", "api.port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline().startswith("crucible serves")
            watched = bench.crucible("watch", run["id"])
            assert (watched.code, watched.out) == (0, f"{run['id']}: completed\n")
            assert len(server.asked) == ROWS + 1
        finally:
            serving.terminate()
            serving.communicate(timeout=50)
    with contextlib.closing(sqlite3.connect(bench.folder / "kept" / "queue.db")) as database:
        assert database.execute("SELECT count(*) FROM run").fetchone() == (1,)
