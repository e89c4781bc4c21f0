"""The wall clock jumps, to and fro: work may be done again, but nothing is lost or recorded twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.queue import FakeClock, daemon, new_run, new_schedule, stage

from crucible.adapters.stores import SqliteStore
from crucible.messages.errors import LeaseLostError
from crucible.messages.queue import Lease, Settlement

HOUR = 3600.0


class Jumpy:
    """A daemon whose machine's clock jumps before every call."""

    def __init__(self, store: SqliteStore, clock: FakeClock, rng: random.Random) -> None:
        self.store, self.clock, self.rng = store, clock, rng

    def jump(self) -> None:
        self.clock.now += self.rng.choice([0.1, 0.1, 1.0, HOUR, -HOUR])

    async def finish(self, run: str) -> None:
        """Work until it is completed."""
        while (await self.store.run(run)).state != "completed":
            self.jump()
            await self.store.rescue(max_interruptions=10_000)
            self.jump()
            for lease in await self.store.claim("d1", limit=1, ttl_s=30.0):
                await self.attempt(lease)

    async def attempt(self, lease: Lease) -> None:
        run, token = lease.run.id, lease.token
        done = {record.name for record in await self.store.stages(run)}
        try:
            for name in ("a", "b", "c"):
                self.jump()
                if name not in done:
                    await self.store.record_stage(stage(run, token, name))
            self.jump()
            await self.store.settle(run, token, Settlement(state="completed"))
        except LeaseLostError:
            return


@pytest.mark.parametrize("seed", range(5))
async def test_a_run_ends_once_however_the_clock_jumps(tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(tmp_path, clock=clock)
    await store.register(daemon(), max_interruptions=3)
    jumpy = Jumpy(store, clock, random.Random(seed))
    for number in range(5):
        jumpy.jump()
        await store.submit(new_run(f"r{number}"))
        await jumpy.finish(f"r{number}")
        assert [record.name for record in await store.stages(f"r{number}")] == ["a", "b", "c"]
        kinds = [event.kind for event in await store.events(run_id=f"r{number}")]
        assert kinds.count("stage.completed") == 3
        assert kinds.count("run.completed") == 1
    await store.aclose()


async def test_after_a_restart_with_an_earlier_clock_runs_go_on_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(tmp_path, clock=clock)
    await store.register(daemon(), max_interruptions=3)
    for name in ("r1", "r2"):
        await store.submit(new_run(name))
    await store.claim("d1", limit=1, ttl_s=30.0)
    await store.aclose()
    clock.now -= 24 * HOUR
    store = await SqliteStore.open(tmp_path, clock=clock)
    assert [run.id for run in await store.register(daemon(boot="b2"), max_interruptions=3)] == ["r1"]
    leases = await store.claim("d1", limit=5, ttl_s=30.0)
    assert [lease.run.id for lease in leases] == ["r1", "r2"]
    await store.aclose()


async def test_a_schedule_fires_once_when_the_clock_jumps_over_many_of_its_times(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(tmp_path, clock=clock)
    await store.put_schedule(new_schedule("hourly", next_at=clock.now + HOUR))
    clock.now += 100 * HOUR
    ((schedule, now),) = await store.due_schedules()
    assert now == clock.now
    run = await store.fire("hourly", due_at=schedule.next_at, next_at=now + HOUR, run_id="r1")
    assert run is not None
    assert await store.due_schedules() == []
    clock.now -= 100 * HOUR
    assert await store.due_schedules() == []
    await store.aclose()
