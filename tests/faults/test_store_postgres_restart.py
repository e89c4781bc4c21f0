"""PostgreSQL is restarted in the midst of work, at once and without warning; callers ask again and go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.postgres import PostgresServer, binaries
from tests.support.queue import daemon, new_run, stage

from crucible.actors.store import Store
from crucible.adapters.stores import care_postgres
from crucible.adapters.stores.postgres import PostgresStore
from crucible.messages.errors import LeaseLostError, StoreError
from crucible.messages.queue import Effect, Lease, Settlement

RESTARTS = 3
RUNS_BETWEEN = 12


@pytest.fixture(params=[True])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(fsync=request.param)
    yield server
    server.remove()


class World:
    """Two daemons' work on one server; what they were told is kept."""

    def __init__(self) -> None:
        self.failures = 0
        self.submitted: set[str] = set()
        self.completed: list[str] = []
        self.called: Counter[str] = Counter()
        self.seen: list[int] = []
        self.ending = False
        self.moved = asyncio.Event()

    async def sure(self, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except StoreError:
                self.failures += 1
                await asyncio.sleep(0.02)

    async def submit(self, store: Store) -> None:
        number = 0
        while not self.ending:
            name = f"r{number}"
            answer = await self.sure(partial(store.submit, new_run(name, key=name)))
            assert answer.run.id == name
            self.submitted.add(name)
            number += 1
            while len(self.submitted) - len(self.completed) > 20 and not self.ending:
                await store.changed(0.05)

    async def work(self, store: Store, name: str) -> None:
        await self.sure(partial(store.register, daemon(name), max_interruptions=1_000))
        while True:
            await self.sure(partial(store.rescue, max_interruptions=1_000))
            for lease in await self.sure(partial(store.claim, name, limit=3, ttl_s=1.0)):
                try:
                    await self.attempt(store, lease)
                except LeaseLostError:
                    continue
            if self.ending and len(self.completed) >= len(self.submitted):
                return

    async def attempt(self, store: Store, lease: Lease) -> None:
        run, token = lease.run.id, lease.token
        key = f"{run}/train"
        await self.sure(partial(store.intend, token, Effect(run_id=run, key=key, stage="train", step=0)))
        self.called[key] += 1
        await self.sure(partial(store.effect, run, token, key, "acknowledged"))
        await self.sure(partial(store.record_stage, stage(run, token, "train")))
        await self.sure(partial(store.settle, run, token, Settlement(state="completed")))
        self.completed.append(run)
        self.moved.set()

    async def watch(self, store: Store) -> None:
        while not self.ending:
            after = self.seen[-1] if self.seen else 0
            self.seen += [event.seq for event in await self.sure(partial(store.events, after=after))]
            await store.changed(0.05)

    async def progress(self, more: int) -> None:
        target = len(self.completed) + more
        while len(self.completed) < target:
            await self.moved.wait()
            self.moved.clear()


@pytest.mark.timeout(240)
async def test_nothing_is_lost_when_the_server_restarts(server: PostgresServer, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(server.url)
    stores = [await PostgresStore.open(f"file:{file}") for _ in range(2)]
    world = World()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.submit(stores[0]))
        tasks.create_task(world.watch(stores[0]))
        for number, store in enumerate(stores):
            tasks.create_task(world.work(store, f"d{number}"))
        for _ in range(RESTARTS):
            await world.progress(RUNS_BETWEEN)
            await asyncio.to_thread(server.stop, "immediate")
            await asyncio.to_thread(server.start)
        await world.progress(RUNS_BETWEEN)
        world.ending = True
    assert world.failures >= RESTARTS
    counts = await stores[0].counts()
    assert counts.by_state == {"completed": len(world.submitted)}
    assert len(set(world.completed)) == len(world.completed) == len(world.submitted)
    assert set(world.called) == {f"{run}/train" for run in world.submitted}
    for run in world.submitted:
        assert [record.name for record in await stores[0].stages(run)] == ["train"]
    every: list[int] = []
    while page := await stores[0].events(after=every[-1] if every else 0):
        every += [event.seq for event in page]
    assert world.seen == every[: len(world.seen)]
    for store in stores:
        await store.aclose()
    assert (await care_postgres.check(f"file:{file}")).problems == []


@pytest.mark.parametrize("server", [False], indirect=True)
async def test_waiters_are_woken_again_after_a_restart(server: PostgresServer, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(server.url)
    watching, writing = [await PostgresStore.open(f"file:{file}") for _ in range(2)]
    await asyncio.to_thread(server.stop, "immediate")
    await asyncio.to_thread(server.start)
    world = World()
    while await world.sure(_listeners(file)) < 2:
        pass
    await world.sure(watching.counts)
    waiting = asyncio.create_task(watching.changed(50.0))
    await asyncio.sleep(0)
    await world.sure(partial(writing.submit, new_run()))
    await waiting
    for store in (watching, writing):
        await store.aclose()


def _listeners(file: Path) -> Callable[[], Awaitable[int]]:
    from crucible.adapters.stores.postgres_address import Address

    async def count() -> int:
        async with Address(f"file:{file}").connection() as connection:
            return int(
                await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            )

    return count
