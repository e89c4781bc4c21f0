"""Durable runs inside a program: ``Supervisor(store=...)``."""

import json
from pathlib import Path
from typing import Any

import pytest

import crucible
from crucible.adapters.stores.memory import MemoryStore
from crucible.adapters.stores.sqlite import SqliteStore
from crucible.messages.control import RunCompleted
from crucible.messages.errors import ConflictError, InputError, RunCancelledError


def experiment(
    folder: Path, *, latency_ms: float = 0.0, rows: int = 6, **changes: Any
) -> crucible.Experiment:
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "c"}) + "\n" for n in range(rows)))
    content = {
        "id": "small",
        "dataset": {"name": "rows", "split": "all", "options": {"path": str(data)}},
        "backend": {"id": "mock", "options": {"replies": [{"text": "c"}], "latency_ms": latency_ms}},
        "pipeline": [
            {"name": "data_load"},
            {"name": "backend_call", "options": {"concurrency": 1}},
            {"name": "bench"},
            {"name": "report"},
        ],
        "outputs": [{"formats": ["json"]}],
    }
    return crucible.decode_experiment_json(json.dumps(content | changes).encode())


async def starts(store: MemoryStore, run_id: str) -> int:
    return [event.kind for event in await store.events(run_id=run_id)].count("run.started")


async def test_a_durable_run_tells_its_events_and_has_its_result(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "queue")
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        run = await supervisor.submit(experiment(tmp_path))
        events = [event async for event in run.events()]
        result = await run.result()
        assert (await store.run(run.run_id)).state == "completed"
    assert isinstance(events[-1], RunCompleted)
    assert result.status == "completed"
    assert (tmp_path / "runs" / run.run_id / "report.json").exists()
    await store.aclose()


async def test_what_a_closed_supervisor_leaves_the_next_one_ends(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        run = await supervisor.submit(experiment(tmp_path, latency_ms=150.0))
        async for event in run.events():
            if getattr(event, "stage", "") == "backend_call":
                break
    with pytest.raises(RunCancelledError, match="back in the queue"):
        await run.result()
    assert (await store.run(run.run_id)).state == "queued"
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        again = await supervisor.submit(experiment(tmp_path, rows=6), key="other")
        await again.result()
        found = await store.run(run.run_id)
        while found.state != "completed":
            await store.changed(0.1)
            found = await store.run(run.run_id)
    assert found.attempt == 1


async def test_the_same_key_gives_the_same_run_and_its_result(tmp_path: Path) -> None:
    async with crucible.Supervisor(out=tmp_path / "runs", store=MemoryStore()) as supervisor:
        first = await supervisor.submit(experiment(tmp_path), key="k")
        result = await first.result()
        second = await supervisor.submit(experiment(tmp_path), key="k")
        assert second.run_id == first.run_id
        assert await second.result() == result
        with pytest.raises(ConflictError):
            await supervisor.submit(experiment(tmp_path, seed=5), key="k")


async def test_a_durable_run_is_cancelled(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        run = await supervisor.submit(experiment(tmp_path, latency_ms=500.0))
        async for _ in run.events():
            break
        result = await run.cancel("enough")
        assert (result.status, (await store.run(run.run_id)).state) == ("cancelled", "cancelled")


async def test_two_supervisors_in_one_program_share_nothing(tmp_path: Path) -> None:
    one, other = MemoryStore(), MemoryStore()
    async with (
        crucible.Supervisor(out=tmp_path / "a", store=one) as first,
        crucible.Supervisor(out=tmp_path / "b", store=other) as second,
    ):
        runs = [await each.submit(experiment(tmp_path)) for each in (first, second)]
        for run in runs:
            assert (await run.result()).status == "completed"
    assert [len((await store.runs()).runs) for store in (one, other)] == [1, 1]


async def test_a_supervisor_of_its_own_runs_leaves_the_others_in_the_queue(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        theirs = await supervisor.submit(experiment(tmp_path, latency_ms=300.0))
        await supervisor.hand_back("enough")
    begun = await starts(store, theirs.run_id)
    async with crucible.Supervisor(out=tmp_path / "runs", store=store, own_only=True) as supervisor:
        mine = await supervisor.submit(experiment(tmp_path, id="mine"))
        assert (await mine.result()).status == "completed"
    assert (await store.run(theirs.run_id)).state == "queued"
    assert await starts(store, theirs.run_id) == begun


async def test_resuming_goes_on_with_what_failed_until_it_completes(tmp_path: Path) -> None:
    store = MemoryStore()
    flaky = {"id": "mock", "options": {"errors": {"bad_request": 1.0}}}
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        named = await supervisor.submit(experiment(tmp_path, backend=flaky), max_attempts=1)
        first = await supervisor.submit(experiment(tmp_path, backend=flaky), resume=True, max_attempts=1)
        assert (await first.result()).status == "failed"
        again = await supervisor.submit(experiment(tmp_path, backend=flaky), resume=True, max_attempts=1)
        assert (again.run_id, again.resumed, first.resumed) == (first.run_id, True, False)
        assert (await again.result()).status == "failed"
        assert await starts(store, first.run_id) == 2
        other = await supervisor.submit(experiment(tmp_path), resume=True, max_attempts=1)
        assert (await other.result()).status == "completed"
        fresh = await supervisor.submit(experiment(tmp_path), resume=True, max_attempts=1)
        assert (await fresh.result()).status == "completed"
        assert len({named.run_id, first.run_id, other.run_id, fresh.run_id}) == 4


async def test_resuming_takes_a_pause_back(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        run = await supervisor.submit(experiment(tmp_path, latency_ms=200.0), resume=True)
        await supervisor.hand_back("enough")
    assert (await store.pause(run.run_id)).state == "paused"
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        again = await supervisor.submit(experiment(tmp_path, latency_ms=200.0), resume=True)
        assert (again.run_id, (await again.result()).status) == (run.run_id, "completed")


async def test_bad_data_is_told_before_a_run_is_resumed(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        made = experiment(tmp_path)
        (tmp_path / "rows.jsonl").write_text("not json\n")
        with pytest.raises(InputError, match=r"rows\.jsonl:1"):
            await supervisor.submit(made, resume=True)
        with pytest.raises(InputError, match="got both"):
            await supervisor.submit(made, resume=True, key="k")
    async with crucible.Supervisor(out=tmp_path / "runs") as supervisor:
        with pytest.raises(InputError, match="resume needs a store"):
            await supervisor.submit(experiment(tmp_path), resume=True)
    assert (await store.runs()).runs == ()


async def test_bad_input_is_told_before_anything_is_queued(tmp_path: Path) -> None:
    store = MemoryStore()
    async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
        with pytest.raises(InputError):
            await supervisor.submit(experiment(tmp_path, backend={"id": "mokc"}))
    async with crucible.Supervisor(out=tmp_path / "runs") as supervisor:
        with pytest.raises(InputError, match="needs a store"):
            await supervisor.submit(experiment(tmp_path), key="k")
    assert (await store.runs()).runs == ()
