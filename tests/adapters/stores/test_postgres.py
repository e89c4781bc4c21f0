"""What only the store in PostgreSQL promises: its address, its schema, and several daemons at once."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from tests.support.postgres import PostgresServer
from tests.support.queue import new_run

from crucible.adapters.stores import open_store
from crucible.adapters.stores.postgres import PostgresStore
from crucible.adapters.stores.postgres_driver import Driver
from crucible.messages.errors import InputError, StoreError
from crucible.messages.queue import Effect
from crucible.messages.settings import StoreSettings

SECRET = "hunter2-very-secret"


async def opened(reference: str, schema: str) -> PostgresStore:
    return await PostgresStore.open(reference, schema=schema)


async def test_daemons_that_start_together_make_the_tables_once(postgres_reference: str) -> None:
    stores = await asyncio.gather(*(opened(postgres_reference, "together") for _ in range(4)))
    assert sorted(store.versions for store in stores) == [(0, 1), (1, 1), (1, 1), (1, 1)]
    assert len({(await store.submit(new_run(key="k"))).run.id for store in stores}) == 1
    for store in stores:
        await store.aclose()
        await store.aclose()


async def test_a_schema_of_a_newer_version_is_refused(
    postgres_server: PostgresServer, postgres_reference: str
) -> None:
    await (await opened(postgres_reference, "newer")).aclose()
    admin = await asyncpg.connect(postgres_server.url)
    await admin.execute("INSERT INTO newer.schema_version VALUES (7, 0)")
    await admin.close()
    with pytest.raises(InputError, match="has schema 7, made by a newer Crucible"):
        await opened(postgres_reference, "newer")


async def test_the_server_tells_the_time(postgres_reference: str) -> None:
    store = await opened(postgres_reference, "clock")
    run = (await store.submit(new_run())).run
    assert abs(run.submitted_at - time.time()) < 60.0
    await store.aclose()


async def test_the_settings_name_the_address_by_reference(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUEUE_URL", postgres_server.url)
    store = await open_store(StoreSettings(kind="postgres", url="env:QUEUE_URL"), tmp_path)
    assert isinstance(store, PostgresStore)
    await store.aclose()
    for url, told in ((None, "needs a reference"), ("env:NOT_SET_AT_ALL", "NOT_SET_AT_ALL is not set")):
        with pytest.raises(InputError, match=told):
            await open_store(StoreSettings(kind="postgres", url=url), tmp_path)


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("nonsense-{secret}", InputError, "expected postgresql://"),
        ("postgresql://u:{secret}@[bad/db", InputError, "expected postgresql://"),
        ("postgresql://u:{secret}@127.0.0.1:1/db", StoreError, "cannot be reached"),
        ("postgresql://crucible:{secret}@/nowhere?host={folder}", InputError, "does not exist"),
        ("postgresql://nobody:{secret}@/postgres?host={folder}", InputError, 'role "nobody"'),
    ],
)
async def test_an_address_that_will_not_do_is_told_without_showing_it(
    postgres_server: PostgresServer, tmp_path: Path, url: str, error: type[Exception], told: str
) -> None:
    file = tmp_path / "address"
    file.write_text(url.format(secret=SECRET, folder=postgres_server.folder))
    with pytest.raises(error, match="address") as caught:
        await opened(f"file:{file}", "crucible")
    text = str(caught.value)
    assert told in text
    assert "\n" not in text
    assert SECRET not in text
    assert SECRET not in repr(caught.value.__cause__)


async def test_a_claim_that_nobody_waits_for_is_handed_back(
    postgres_server: PostgresServer, postgres_reference: str
) -> None:
    store = await opened(postgres_reference, "unclaimed")
    await store.submit(new_run())
    other = await asyncpg.connect(postgres_server.url)
    async with other.transaction():
        await Driver("unclaimed", "0")._take_turn(other, "events")
        claim = asyncio.create_task(store.claim("d1", limit=1, ttl_s=30.0))
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not await other.fetchval(waits):
            pass
        claim.cancel()
        await asyncio.wait([claim])
        assert claim.cancelled()
    await store.aclose()
    await other.close()
    again = await opened(postgres_reference, "unclaimed")
    run = await again.run("r1")
    assert (run.state, run.token, run.attempt, run.interruptions) == ("queued", 1, 0, 0)
    await again.aclose()


async def test_a_closed_store_says_so(postgres_reference: str) -> None:
    store = await opened(postgres_reference, "closed")
    await store.aclose()
    for call in (store.submit(new_run()), store.runs()):
        with pytest.raises(StoreError, match="is closed"):
            await call


async def test_values_that_the_database_cannot_store_are_bad_input(postgres_reference: str) -> None:
    store = await opened(postgres_reference, "values")
    for text in ("a\0b", "a\ud800b"):
        with pytest.raises(InputError, match="cannot store"):
            await store.run(text)
    await store.submit(new_run())
    (lease,) = await store.claim("d1", limit=1, ttl_s=30.0)
    with pytest.raises(InputError, match="cannot store"):
        await store.intend(lease.token, Effect(run_id="r1", key="k", stage="train", step=2**70))
    assert len(await store.events()) == 2
    await store.aclose()


async def test_a_schema_name_is_a_plain_word(postgres_reference: str) -> None:
    for name in ("Upper", "a b", "a;b", ""):
        with pytest.raises(InputError, match="schema name"):
            await opened(postgres_reference, name)


async def test_a_connection_that_the_server_ends_before_the_commit_is_a_failure_of_the_store(
    postgres_server: PostgresServer, postgres_reference: str
) -> None:
    """At the moment when its last words have been read, and not yet that it has hung up."""

    async def terminate(process: int) -> None:
        admin = await asyncpg.connect(postgres_server.url)
        await admin.execute("SELECT pg_terminate_backend($1, 10000)", process)
        await admin.close()

    async def in_between(store: PostgresStore) -> None:
        async with store._connection() as connection, connection.transaction():
            process = connection.get_server_pid()
            with ThreadPoolExecutor(1) as aside:  # our loop stands still meanwhile
                aside.submit(asyncio.run, terminate(process)).result()
            for _ in range(2):
                await asyncio.sleep(0)

    store = await opened(postgres_reference, "ended")
    with pytest.raises(StoreError):
        await in_between(store)
    assert (await store.submit(new_run())).created
    await store.aclose()
