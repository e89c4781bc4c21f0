"""A daemon that starts on a queue of 10,000: it works, the oldest first, answers, and stops in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.faults.daemon_process import PATIENCE_S, check_report, experiment, serving, wait_for
from tests.support.queue import new_run

import crucible
from crucible.adapters.stores import SqliteStore, care_sqlite
from crucible.messages.experiment_file import encode_experiment, load_experiment

QUEUED = 10_000


async def fill(data: Path, file: Path) -> None:
    """Runs with ids in the order in which they are due."""
    spec = encode_experiment(load_experiment(file))
    store = await SqliteStore.open(data)
    for start in range(0, QUEUED, 500):
        await asyncio.gather(
            *(
                store.submit(new_run(f"r{number:05}", spec=spec, base=str(file.parent)))
                for number in range(start, start + 500)
            )
        )
    await store.aclose()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_daemon_starts_on_a_queue_of_ten_thousand_and_works_through_it_in_order(
    data: Path, tmp_path: Path
) -> None:
    file = experiment(tmp_path, "e", latency_s=0.0)
    asyncio.run(fill(data, file))
    with serving(data) as daemon, crucible.Client(data=data) as client:
        wait_for(lambda: client.queue().by_state.get("completed", 0) >= 4, "the first four")
        urgent = client.submit(file, priority=9).run.id
        wait_for(lambda: client.run(urgent).state == "completed", "the urgent one")
        check_report(data, urgent)
        page = client.runs(limit=500)
        assert page.runs[0].id == urgent
        assert page.cursor is not None
        assert client.runs(limit=500, cursor=page.cursor).runs[0].id == f"r{QUEUED - 500:05}"
        daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0
    found = care_sqlite.check(data)
    assert found.problems == []
    done = found.runs["completed"]
    assert found.runs == {"completed": done, "queued": QUEUED + 1 - done}
    reports = {path.parent.name for path in (data / "runs").glob("*/report.json")}
    assert len(reports) >= done > 4
    assert reports <= {urgent} | {f"r{number:05}" for number in range(done + 2)}  # two at once
