"""A real daemon process: killed, stopped, started twice, and what its runs are when all is over."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.faults.daemon_process import (
    BOUND,
    COMMAND,
    PATIENCE_S,
    ROWS,
    all_ended,
    answered,
    check_recorded_once,
    check_report,
    experiment,
    of_server,
    runs,
    serve_command,
    serving,
    submit,
    until,
    wait_for,
)
from tests.integration.model_server import ModelServer

import crucible


def test_three_submissions_survive_a_kill_of_the_daemon(data: Path, tmp_path: Path) -> None:
    with serving(data) as daemon:
        ids = [submit(data, experiment(tmp_path, f"e{number}")) for number in range(3)]
        until(data, lambda found: any(run.state == "running" for run in found.values()))
        daemon.kill()
    with serving(data):
        found = until(data, all_ended)
        assert {run.state for run in found.values()} == {"completed"}
        assert sorted(found) == sorted(ids)
        for run_id in ids:
            check_report(data, run_id)
            check_recorded_once(data, run_id)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_random_kills_cost_no_more_than_what_was_in_flight(data: Path, tmp_path: Path, kills: int) -> None:
    """Against a real server that counts: what was answered and kept is never asked again."""
    in_flight, runs_at_once, draw = 2, 2, random.Random(kills)
    # As the settings have it, a run that took down three daemons in a row is parked.
    settings = ("--set", "daemon.max_interruptions=1000", "--set", f"daemon.max_running={runs_at_once}")
    with ModelServer(lambda _prompt, _before: (0.1, "c")) as server:
        file = experiment(tmp_path, "e", backend=of_server(server), concurrency=in_flight)
        ids: list[str] = []
        for number in range(kills):
            with serving(data, *settings) as daemon:
                if all_ended(runs(data)):
                    ids += [submit(data, file) for _ in range(3)]
                wait_for_requests(server, draw.randrange(6) if number else 1)
                daemon.kill()
        with serving(data, *settings):
            found = until(data, all_ended)
        asked = Counter(server.asked)
    assert {run.state for run in found.values()} == {"completed"}
    for run_id in ids:
        check_report(data, run_id)
    assert len(asked) == ROWS  # all have the same prompts
    assert sum(asked.values()) - len(ids) * ROWS <= kills * runs_at_once * in_flight


def wait_for_requests(server: ModelServer, more: int) -> None:
    """Until the server was asked so many more; at most a second, for there may be none to come."""
    wanted, end = len(server.asked) + more, time.monotonic() + 1.0
    while len(server.asked) < wanted and time.monotonic() < end:
        time.sleep(0.005)


def test_what_was_answered_before_a_kill_is_not_asked_again(data: Path, tmp_path: Path) -> None:
    with serving(data) as daemon:
        run_id = submit(data, experiment(tmp_path, "once", latency_s=0.2))
        until(data, lambda found: found[run_id].state == "running")
        wait_for(lambda: answered(data, run_id) >= 5, "five answers")
        daemon.kill()
    with serving(data):
        until(data, all_ended)
    result = json.loads((data / "runs" / run_id / "run.json").read_bytes())
    [asked] = [stage for stage in result["stages"] if stage["stage"] == "backend_call"]
    assert asked["metrics"]["replayed"] >= 3
    check_report(data, run_id)


def test_a_daemon_that_is_told_to_stop_hands_back_what_it_does(data: Path, tmp_path: Path) -> None:
    with serving(data) as daemon:
        run_id = submit(data, experiment(tmp_path, "slow", latency_s=0.1))
        until(data, lambda found: found[run_id].state == "running")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0
    with serving(data):
        [run] = until(data, all_ended).values()
    assert (run.state, run.attempt, run.interruptions) == ("completed", 1, 0)


def test_a_daemon_that_hands_back_is_not_ready(data: Path, tmp_path: Path) -> None:
    with serving(data) as daemon, crucible.Client(data=data) as client:
        url = client.address.url
        run_id = submit(data, experiment(tmp_path, "slow", latency_s=0.5))
        until(data, lambda found: found[run_id].state == "running")
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        with no_writes(data):  # so nothing can be handed back yet
            daemon.send_signal(signal.SIGTERM)
            wait_for(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 503, "not ready")
            answer = httpx.get(f"{url}/readyz", trust_env=False)
            assert answer.json()["reason"] == "the daemon takes no runs"
            assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
            assert client.run(run_id).state == "running"
        assert daemon.wait(PATIENCE_S) == 0


@contextlib.contextmanager
def no_writes(data: Path) -> Iterator[None]:
    """Another program has the turn to write to the queue. It writes nothing; others may read."""
    with contextlib.closing(sqlite3.connect(data / "queue.db", isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_a_second_daemon_on_the_same_folder_names_the_first_and_touches_nothing(
    data: Path, store: str
) -> None:
    options = ("--set", f"store.kind={store}")
    with serving(data, *options) as daemon:
        before = files_of(data)
        second = subprocess.run(serve_command(data, *options), capture_output=True, text=True)
        assert second.returncode == 2
        [line] = second.stderr.splitlines()
        assert f"is in use by process {daemon.pid}: stop that daemon first" in line
        assert second.stdout == ""
        assert files_of(data) == before
        with crucible.Client(data=data) as client:
            assert client.live().status["pid"] == daemon.pid


def files_of(data: Path) -> dict[str, tuple[bytes, int]]:
    """What is in the folder and when it was written, without the queue, in which a daemon always writes."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in data.iterdir()
        if path.is_file() and not path.name.startswith("queue.db")
    }


def test_an_interrupt_ends_a_daemon_in_order(data: Path) -> None:
    with serving(data) as daemon:
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(PATIENCE_S) == 0


def test_the_link_that_opens_the_page_is_for_a_terminal_only(data: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(serve_command(data), stdout=terminal, stderr=subprocess.DEVNULL)
    os.close(terminal)
    try:
        shown = b""
        while b"the page: " not in shown or not shown.endswith(b"\n"):
            shown += os.read(controller, 1000)
        with crucible.Client(data=data) as client:
            assert f"the page: {client.address.page}\r\n" in shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    with serving(data) as daemon:
        assert daemon.stdout is not None
        daemon.terminate()
        assert "#token" not in daemon.stdout.read()


def test_the_settings_are_read_again_on_a_hangup(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "crucible.toml"
    config.write_text("[daemon]\nmax_running = 1\n")
    with serving(data, "--config", str(config)) as daemon, crucible.Client(data=data) as client:
        assert client.live().status["capacity"] == 1
        config.write_text("[daemon]\nmax_running = 4\n")
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: client.live().status["capacity"] == 4, "the new setting")


def test_systemd_is_told_when_the_daemon_is_ready_and_when_it_stops(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serving(data) as daemon:
            assert listener.recv(1000).startswith(b"READY=1\nSTATUS=serving http://127.0.0.1:")
            daemon.send_signal(signal.SIGTERM)
            assert listener.recv(1000) == b"STOPPING=1"
            assert daemon.wait(PATIENCE_S) == 0


def test_health_figures_and_the_page_are_served_and_the_token_is_for_its_owner_only(data: Path) -> None:
    with serving(data), crucible.Client(data=data) as client:
        address = client.address
        assert httpx.get(f"{address.url}/healthz", trust_env=False).json()["status"] == "ok"
        assert httpx.get(f"{address.url}/readyz", trust_env=False).json()["status"] == "ok"
        assert "<main" in httpx.get(address.url, trust_env=False).text
        assert httpx.get(f"{address.url}/metrics", trust_env=False).status_code == 401
        header = {"authorization": f"Bearer {address.token}"}
        figures = httpx.get(f"{address.url}/metrics", headers=header, trust_env=False).text
        assert 'crucible_runs{state="queued"} 0' in figures.replace(".0", "")
        assert (data / "token").stat().st_mode & 0o777 == 0o600
        assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[daemon]\nmax_runing = 2\n", "crucible.toml:2: daemon.max_runing: unknown"),
        ("[api]\nport = 70000\n", "crucible.toml:2: api.port: expected"),
        ("[daemon\n", "crucible.toml:1"),
    ],
)
def test_settings_that_cannot_be_used_are_named_with_file_line_and_field(
    data: Path, tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "crucible.toml").write_text(content)
    command = [*BOUND, COMMAND, "serve", "--data", str(data), "--config", str(tmp_path / "crucible.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert told in done.stderr
    assert not data.exists()
