"""The commands that talk to a daemon: what they print, their exit codes, and a real daemon behind them."""

import importlib.util
import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.cli.app import invoke
from crucible.messages.live import LiveRun, LiveStage

from .daemon import TOKEN, Daemon
from .support import COMMAND, Ran, Workbench


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    for name in ("CRUCIBLE_URL", "CRUCIBLE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRUCIBLE_DATA", str(tmp_path))
    with Daemon(tmp_path).serve_in_thread() as served:
        (tmp_path / "address.json").write_text(json.dumps({"url": served.url}))
        (tmp_path / "token").write_text(TOKEN)
        yield served


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)


def submitted(bench: Workbench, *arguments: str, **changes: Any) -> dict[str, Any]:
    """The run of a submission."""
    ran = bench.crucible("submit", bench.experiment(**changes), "--json", *arguments)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_submit_without_a_daemon_says_how_to_start_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_DATA", str(bench.folder))
    ran = bench.crucible("submit", bench.experiment())
    assert (ran.code, ran.out) == (1, "")
    assert ran.lines == [f"crucible: no daemon is running on {bench.folder}: start one with: crucible serve"]


def test_a_daemon_that_has_crashed_is_told_as_one_that_does_not_run(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_DATA", str(bench.folder))
    (bench.folder / "address.json").write_text('{"url": "http://127.0.0.1:9"}')
    (bench.folder / "token").write_text(TOKEN)
    ran = bench.crucible("submit", bench.experiment())
    assert (ran.code, len(ran.lines)) == (1, 1)
    assert "start one with: crucible serve" in ran.err


def test_submit_queues_a_file_with_its_overrides(bench: Workbench, daemon: Daemon) -> None:
    ran = bench.crucible("submit", bench.experiment(), "--set", "seed=7", "--priority", "5", "--key", "k")
    assert ran.code == 0
    (run,) = daemon.there(daemon.store.runs()).runs
    assert ran.out == f"{run.id}: queued\n"
    assert (run.priority, run.key, run.base) == (5, "k", str(bench.folder))
    assert json.loads(daemon.there(daemon.store.spec(run.id)))["seed"] == 7


def test_submit_again_with_the_same_key_says_that_it_was_there(bench: Workbench, daemon: Daemon) -> None:
    file = bench.experiment()
    first = bench.crucible("submit", file, "--key", "k")
    again = bench.crucible("submit", file, "--key", "k")
    assert again.out == first.out.replace("queued\n", "queued; it was there already\n")
    other = bench.crucible("submit", file, "--key", "k", "--set", "seed=1")
    assert (other.code, other.out) == (2, "")
    assert "key" in other.err


def test_labels_owner_deadline_attempts_and_time_are_passed_on(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(
        bench,
        *("--label", "kind=nightly", "--label", "team=a", "--owner", "ada", "--deadline", "60"),
        *("--attempts", "2", "--run-at", "2100-01-01T00:00:00Z"),
    )
    assert (run["owner"], run["deadline_s"], run["max_attempts"]) == ("ada", 60.0, 2)
    assert (run["labels"], run["run_at"]) == ({"kind": "nightly", "team": "a"}, 4102444800.0)


def test_every_problem_that_the_daemon_finds_names_the_line_of_the_file(
    bench: Workbench, daemon: Daemon
) -> None:
    file = bench.experiment(backend={"id": "mokc"}, analysis_adapter="cnss", seed=3)
    ran = bench.crucible("submit", file)
    numbers = [number for number, line in enumerate(file.read_text().splitlines(), 1) if "mokc" in line]
    assert ran.code == 2
    assert f"crucible: {file}:{numbers[0]}: backend.id: " in ran.err
    assert daemon.there(daemon.store.runs()).runs == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--label", "odd"), "expected NAME=VALUE"),
        (("--run-at", "tomorrow"), "expected a time such as"),
        (("--priority", "5000"), "priority"),
        (("--url", "nowhere"), "expected an address such as"),
        (("--set", "seed=x"), "seed"),
    ],
)
def test_what_cannot_be_submitted_is_told_in_one_line(
    bench: Workbench, daemon: Daemon, arguments: tuple[str, ...], told: str
) -> None:
    ran = bench.crucible("submit", bench.experiment(), *arguments)
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert told in ran.err


def test_the_token_shows_nowhere(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)
    (bench.folder / "token").write_text("another-token-than-that")
    for arguments in (("status",), ("runs",), ("logs", run["id"]), ("watch", run["id"])):
        ran = bench.crucible(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "the token is wrong" in ran.err
        assert "another-token-than-that" not in ran.err


def test_runs_are_listed_and_filtered(bench: Workbench, daemon: Daemon) -> None:
    first = submitted(bench, "--owner", "ada")
    second = submitted(bench, "--owner", "bob")
    listed = bench.crucible("runs").out.splitlines()
    assert [line.split()[:2] for line in listed] == [[second["id"], "queued"], [first["id"], "queued"]]
    assert first["id"] in bench.crucible("runs", "--owner", "ada").out
    assert bench.crucible("runs", "--state", "completed").out == ""
    assert json.loads(bench.crucible("runs", "--text", "SMALL", "--json").out) == [second, first]
    more = bench.crucible("runs", "--limit", "1")
    assert (len(more.out.splitlines()), "there are more" in more.err) == (1, True)
    assert bench.crucible("runs", "--limit", "0").code == 2


def test_a_run_is_paused_resumed_cancelled_and_retried(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)["id"]
    assert bench.crucible("pause", run).out == f"{run}: paused\n"
    assert bench.crucible("resume", run).out == f"{run}: queued\n"
    assert bench.crucible("cancel", run, "--reason", "not needed").out == f"{run}: cancelled (not needed)\n"
    assert json.loads(bench.crucible("retry", run, "--json").out)["state"] == "queued"
    refused = bench.crucible("retry", run)
    assert (refused.code, len(refused.lines)) == (2, 1)
    for command in ("pause", "resume", "cancel", "retry", "status", "watch", "logs"):
        unknown = bench.crucible(command, "nobody")
        assert (unknown.code, unknown.lines) == (2, ["crucible: there is no run 'nobody'"]), command


def test_status_tells_of_the_queue_and_of_one_run(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench, "--label", "kind=demo")["id"]
    assert bench.crucible("status").out.startswith("runs: queued 1\n")
    told = bench.crucible("status", run).out
    assert told.startswith(f"{run}: queued\n")
    assert "labels     kind=demo" in told
    assert json.loads(bench.crucible("status", run, "--json").out)["run"]["id"] == run
    assert json.loads(bench.crucible("status", "--json").out)["queue"]["by_state"]["queued"] == 1


def test_a_completed_run_is_told_with_its_headline_figures(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)["id"]
    metrics = {"seconds": 2.5, "f1\x1b": 0.671, "recall": None, "exact": 0.0425, "more": 0.1}
    daemon.there(daemon.work(run, metrics=metrics))
    (line,) = bench.crucible("runs").out.splitlines()
    assert line.endswith("  local  f1⟨U+001B⟩ 0.671, exact 0.043")
    assert "  figures    f1⟨U+001B⟩ 0.671, exact 0.043, more 0.100\n" in bench.crucible("status", run).out


def test_foreign_text_cannot_move_the_cursor(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)["id"]
    bench.crucible("cancel", run, "--reason", "bad \x1b[2J\x07 news")
    for arguments in (("status", run), ("runs",), ("logs", run)):
        out = bench.crucible(*arguments).out
        assert "news" in out
        assert "\x1b" not in out


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("cancelled", 130)])
def test_watch_ends_with_the_run_and_its_exit_code(
    bench: Workbench, daemon: Daemon, state: Any, code: int
) -> None:
    run = submitted(bench)["id"]
    working = threading.Timer(0.2, lambda: daemon.there(daemon.work(run, state)))
    working.start()
    ran = bench.crucible("watch", run)
    working.join()
    assert ran.code == code
    assert ran.out.startswith(f"{run}: {state}")
    kinds = [line.split()[2] for line in ran.lines]
    assert (kinds[0], kinds[-1]) == ("run.submitted", f"run.{state}")


def test_logs_are_told_a_line_an_event(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)["id"]
    daemon.there(daemon.work(run))
    plain = bench.crucible("logs", run).out.splitlines()
    followed = bench.crucible("logs", run, "--follow").out.splitlines()
    assert plain == followed
    events = [json.loads(line) for line in bench.crucible("logs", run, "--json").out.splitlines()]
    assert [line.split()[2] for line in plain] == [event["kind"] for event in events]


def test_status_of_a_run_under_way_lists_its_stages_below_it(bench: Workbench, daemon: Daemon) -> None:
    run = submitted(bench)["id"]
    stage = LiveStage(name="backend_call", state="running", phase="sample", done=1, total=3)
    daemon.live.under_way[run] = LiveRun(run_id=run, experiment_id="small", since=1.0, stages=(stage,))
    lines = bench.crucible("status", run).out.splitlines()
    assert lines[0] == f"{run}: queued"
    assert lines[-1].rstrip() == "  backend_call: running sample 1 of 3"


def test_schedules_are_added_listed_and_dropped(bench: Workbench, daemon: Daemon) -> None:
    added = bench.crucible("schedule", "add", "nightly", "0 3 * * *", bench.experiment())
    assert added.out.startswith("nightly: small next at ")
    listed = bench.crucible("schedule", "list").out
    assert listed.startswith("nightly: 0 3 * * *, small, next ")
    assert listed.endswith(" 03:00:00 UTC\n")
    assert bench.crucible("schedule", "pause", "nightly").out == "nightly: paused\n"
    assert bench.crucible("schedule", "list").out == "nightly: 0 3 * * *, small, paused\n"
    assert bench.crucible("schedule", "resume", "nightly").out == added.out
    assert not json.loads(bench.crucible("schedule", "pause", "nightly", "--json").out)["enabled"]
    assert json.loads(bench.crucible("schedule", "resume", "nightly", "--json").out)["enabled"]
    for verb in ("pause", "resume"):
        unknown = bench.crucible("schedule", verb, "nobody")
        assert (unknown.code, len(unknown.lines)) == (2, 1), verb
        assert "there is no schedule" in unknown.err
    assert bench.crucible("schedule", "drop", "nightly").out == "nightly: dropped\n"
    assert json.loads(bench.crucible("schedule", "list", "--json").out) == []
    assert bench.crucible("schedule", "drop", "nightly").code == 2
    odd = bench.crucible("schedule", "add", "x", "every day", bench.experiment())
    assert (odd.code, "expected five fields" in odd.err) == (2, True)


def test_completion_is_installed_for_a_shell(bench: Workbench) -> None:
    target = bench.folder / "completion"
    assert bench.crucible("--install-completion", "--shell", "bash", "--output", target).code == 0
    ask = 'COMP_WORDS=(crucible sub); COMP_CWORD=1; _crucible; echo "${COMPREPLY[@]}"'
    asked = subprocess.run(
        ["bash", "-c", f"source {target}; {ask}"], capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "submit"


# with a daemon that works


class Served:
    """``crucible serve`` in a process of its own, and commands against it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--data", str(self.data), "--set", "api.port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.told = self.process.stdout.readline()

    def command(self, *arguments: str | Path, **options: Any) -> Ran:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CRUCIBLE_")}
        ran = subprocess.run(
            [COMMAND, *map(str, arguments)],
            env={**environment, "CRUCIBLE_DATA": str(self.data), "COLUMNS": "100"},
            timeout=50,
            check=False,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )
        return Ran(ran.returncode, ran.stdout or "", ran.stderr or "")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=50)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.stop()


def test_a_submitted_experiment_is_run_watched_and_read_back(bench: Workbench, served: Served) -> None:
    assert served.told.startswith("crucible serves http://127.0.0.1:")
    ran = served.command("submit", bench.experiment(), "--wait")
    assert ran.code == 0, ran.err
    run = ran.out.splitlines()[-1].partition(":")[0]
    assert ran.out.splitlines()[-1] == f"{run}: completed"
    kinds = [line.split()[2] for line in ran.lines]
    assert (kinds[0], kinds[-1]) == ("run.submitted", "run.completed")
    assert "stage.completed" in kinds
    assert (served.data / "runs" / run / "report.json").is_file()
    status = served.command("status", run).out
    assert "  report: completed" in status

    failing = {"id": "mock", "options": {"errors": {"bad_request": 1.0}}}
    failed = served.command("submit", bench.experiment(backend=failing), "--attempts", "1", "--wait")
    assert failed.code == 1
    assert ": failed (" in failed.out.splitlines()[-1]


def test_a_terminal_gets_live_bars(bench: Workbench, served: Served) -> None:
    controller, terminal = pty.openpty()
    screen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(controller, 65536):
                screen.append(data)
        except OSError:  # the other side is closed
            pass

    reading = threading.Thread(target=read)
    reading.start()
    ran = served.command("submit", bench.experiment(), "--wait", stderr=terminal)
    os.close(terminal)
    reading.join()
    os.close(controller)
    shown = b"".join(screen).decode()
    assert ran.code == 0, shown
    assert "backend_call" in shown
    assert "━" in shown
    assert "run.submitted" not in shown


def test_serve_says_in_one_line_which_packages_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "litestar" else find(name, *rest)
    )
    assert invoke(["serve", "--data", str(tmp_path / "data")]) == 2
    assert capsys.readouterr().err == (
        "crucible: crucible serve needs litestar (not installed): pip install 'crucible-framework[daemon]'\n"
    )
    assert not (tmp_path / "data").exists()
