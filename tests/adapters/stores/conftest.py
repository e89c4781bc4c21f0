"""Every test that asks for ``bench`` runs once for each store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from tests.adapters.stores.bench import Bench
from tests.support.postgres import PostgresServer, binaries
from tests.support.queue import FakeClock

from crucible.adapters.stores import MemoryStore, SqliteStore
from crucible.adapters.stores.postgres import PostgresStore

STORES = ("memory", "sqlite", "postgres")
TABLES = "run, spec, stage, effect, session, artifact, event, daemon, schedule"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(fsync=False)
    yield server
    server.remove()


@pytest.fixture
def postgres_reference(postgres_server: PostgresServer, tmp_path: Path) -> str:
    """Where the address of the server is."""
    file = tmp_path / "url"
    file.write_text(postgres_server.url)
    return f"file:{file}"


@pytest.fixture(params=STORES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield Bench(MemoryStore(clock=clock), clock)
        elif request.param == "sqlite":
            store = await SqliteStore.open(tmp_path / "data", clock=clock)
            stack.push_async_callback(store.aclose)
            yield Bench(store, clock)
        else:
            server = request.getfixturevalue("postgres_server")
            yield await _postgres(stack, server, request.getfixturevalue("postgres_reference"), clock)


async def _postgres(stack: AsyncExitStack, server: PostgresServer, reference: str, clock: FakeClock) -> Bench:
    """Two handles on an empty queue, whose time is in a table."""
    admin = await asyncpg.connect(server.url)
    stack.push_async_callback(admin.close)
    await admin.execute("CREATE TABLE IF NOT EXISTS public.test_clock (now DOUBLE PRECISION)")

    async def show(now: float) -> None:
        await admin.execute("DELETE FROM public.test_clock")
        await admin.execute("INSERT INTO public.test_clock VALUES ($1)", now)

    await show(clock.now)
    stores = []
    for _ in range(2):
        store = await PostgresStore.open(reference, clock="SELECT now FROM public.test_clock")
        stack.push_async_callback(store.aclose)
        stores.append(store)
    await admin.execute(f"TRUNCATE {', '.join('crucible.' + name for name in TABLES.split(', '))}")
    return Bench(stores[0], clock, another=stores[1], show_time=show)
