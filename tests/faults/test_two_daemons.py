"""Two real daemons on one queue in PostgreSQL: they share the work, and one goes on where the other ends.

Each has a data folder of its own, as daemons on two machines have. The server that is asked counts.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.faults.daemon_process import (
    PATIENCE_S,
    ROWS,
    all_ended,
    check_recorded_once,
    check_report,
    experiment,
    log_of,
    of_server,
    serving,
    submit,
    until,
    wait_for,
)
from tests.integration.model_server import ModelServer

import crucible
from crucible.adapters.stores import care_postgres

LEASE_S = 4.0
IN_FLIGHT = 4


class Model(ModelServer):
    """Answers at once, or slowly: then a run takes long, and what is asked is answered within a lease."""

    def __init__(self) -> None:
        super().__init__(lambda _prompt, _before: (LEASE_S - 1.0 if self.slow else 0.02, "c"))
        self.slow = True


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as model:
        yield model


@pytest.fixture
def settings(queue: str) -> tuple[str, ...]:
    """Of daemons that soon miss each other. One that a busy machine keeps from its lease parks nothing."""
    given = {
        "store.kind": "postgres",
        "store.url": queue,
        "daemon.lease_s": LEASE_S,
        "daemon.renew_s": 0.5,
        "daemon.rescue_s": 0.5,
        "daemon.max_running": 1,
        "daemon.max_interruptions": 1000,
    }
    return tuple(part for name, value in given.items() for part in ("--set", f"{name}={value}"))


async def recorded(queue: str, run_id: str) -> list[bytes]:
    """Every row that the queue holds of a run."""
    return [line async for line in care_postgres.export(queue) if run_id.encode() in line]


def working_on(data: Path) -> set[str]:
    """The runs that a daemon is at."""
    with crucible.Client(data=data) as client:
        return {run.run_id for run in client.live().runs}


def stop(process: subprocess.Popen[str]) -> None:
    """From here on it does nothing, and does not know it."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def is_ready(data: Path) -> bool:
    with crucible.Client(data=data) as client:
        return httpx.get(f"{client.address.url}/readyz", trust_env=False).status_code == 200


@pytest.mark.timeout(240)
async def test_a_daemon_that_was_stopped_past_its_lease_changes_nothing_when_it_goes_on(
    queue: str, settings: tuple[str, ...], model: Model, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    file = experiment(tmp_path, "stalled", backend=of_server(model), concurrency=IN_FLIGHT)
    with serving(first, *settings) as stalled:
        run_id = submit(first, file)
        wait_for(lambda: len(model.asked) >= IN_FLIGHT, "the first requests")
        with serving(second, *settings) as other:
            full = IN_FLIGHT * (len(model.asked) // IN_FLIGHT + 1)
            wait_for(lambda: len(model.asked) >= full, "the next requests")
            stop(stalled)
            model.slow = False
            [run] = until(second, all_ended).values()
            assert run.state == "completed"
            check_report(second, run_id)
            check_recorded_once(second, run_id)
            before, asked = await recorded(queue, run_id), len(model.asked)

            stalled.send_signal(signal.SIGCONT)
            told = f"run {run_id}: the lease is lost"
            wait_for(lambda: told in log_of(first).read_text(), "the lease is seen to be lost")
            wait_for(lambda: not working_on(first), "the run is given up")
            assert len(model.asked) == asked
            assert await recorded(queue, run_id) == before
            assert not (first / "runs" / run_id / "run.json").exists()
            other.terminate()
            assert other.wait(PATIENCE_S) == 0
        assert is_ready(first)
        again = submit(first, file)
        until(first, all_ended)
        check_report(first, again)
        assert set(model.asked) == {f"Say {number}." for number in range(ROWS)}


@pytest.mark.timeout(240)
def test_two_daemons_share_the_queue_and_one_takes_over_what_the_other_did_when_it_was_killed(
    settings: tuple[str, ...], model: Model, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with serving(first, *settings) as killed, serving(second, *settings):
        ids = [submit(first, experiment(tmp_path, f"e{n}", backend=of_server(model))) for n in range(3)]
        wait_for(lambda: bool(working_on(first) and working_on(second)), "each has one")
        [taken], [kept] = working_on(first), working_on(second)
        assert {taken, kept} < set(ids)
        killed.kill()
        model.slow = False
        found = until(second, all_ended)
        assert {run_id: run.state for run_id, run in found.items()} == dict.fromkeys(ids, "completed")
        for run_id in ids:
            check_report(second, run_id)
            check_recorded_once(second, run_id)
        with crucible.Client(data=second) as client:
            [started, again] = [event for event in client.logs(taken) if event.kind == "run.started"]
        assert started.body["daemon"] != again.body["daemon"]
