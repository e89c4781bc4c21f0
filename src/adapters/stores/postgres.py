"""The queue in PostgreSQL: for several daemons that share one. No leader, no broker.

Claims skip rows that others have locked; the server's ``clock_timestamp()`` decides; all tables are in a
schema of their own. LISTEN/NOTIFY wakes waiters early and is never relied on. When the server restarts,
methods raise StoreError until it is back, and callers ask again. The address is a reference, ``env:NAME`` or
``file:PATH``.

A write runs in a task of the store's own: a cancelled caller gets away at once and never leaves a transaction
in an unknown state; what it claimed is handed back. What is written later waits for it: a write that its
caller gave up, and made again, must not come last. Rejected: a layer that builds statements (16-18 ms of
processor time a run were measured).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from ...messages.errors import StoreError
from .migrations import migrate
from .postgres_address import FAULTS, SCHEMA, STATEMENT_S, Address
from .postgres_driver import CLOCK, Driver
from .sql_store import SqlStore, Undo
from .steps import Steps

__all__ = ["PostgresStore"]

CONNECTIONS = 8
MOST_WAITING = 1024
LISTEN_AGAIN_S = 1.0

T = TypeVar("T")


class PostgresStore(SqlStore):
    """Implements ``actors.store.Store``. Made by ``open``."""

    def __init__(self, pool: asyncpg.Pool[Any], address: Address, driver: Driver) -> None:
        super().__init__()
        self.versions = (0, 0)
        """The schema as it was found, and as it is now."""
        self._pool, self._address, self._driver = pool, address, driver
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self._listener = asyncio.create_task(self._listen(), name="queue listener")
        self._closed = False

    @classmethod
    async def open(cls, reference: str, *, schema: str = SCHEMA, clock: str = CLOCK) -> PostgresStore:
        """Connect, and bring the tables up to date.

        ``clock`` is an SQL expression, for tests. Raises InputError when the address or the database will not
        do, StoreError when the server cannot be reached.
        """
        address = Address(reference, schema)
        store = cls(await address.pool(CONNECTIONS), address, Driver(schema, clock))
        try:
            store.versions = await store._upgrade()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def _upgrade(self) -> tuple[int, int]:
        async with self._connection() as connection, connection.transaction():
            await self._driver.prepare(connection)
            return await self._driver.drive(migrate("postgres", "the database"), connection)

    # Writing and reading.

    async def _write(self, steps: Steps[T], undo: Undo | None = None) -> T:
        await self._room.acquire()
        task = asyncio.create_task(self._perform(steps, after=tuple(self._given_up)))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                self._given_up.add(task)
                task.add_done_callback(self._given_up.discard)
            task.add_done_callback(lambda done: self._abandoned(done, undo))  # at once when it is done
            raise

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._room.release()

    def _abandoned(self, task: asyncio.Task[Any], undo: Undo | None) -> None:
        if task.cancelled() or task.exception() is not None or undo is None:
            return
        steps = undo(task.result())
        if steps is not None and not self._closed:
            again = asyncio.create_task(self._perform(steps))
            self._tasks.add(again)
            again.add_done_callback(self._undone)

    def _undone(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: if it failed, the leases run out by themselves

    async def _perform(self, steps: Steps[T], after: Sequence[asyncio.Task[Any]] = ()) -> T:
        if after:
            await asyncio.wait(after)
        async with self._connection() as connection, connection.transaction():
            result = await self._driver.drive(steps, connection)
        self._changes.happened()
        return result

    async def _read(self, steps: Steps[T]) -> T:
        async with (
            self._connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await self._driver.drive(steps, connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._closed:
            raise StoreError("PostgreSQL: the store is closed")
        try:
            async with self._pool.acquire(timeout=STATEMENT_S) as connection:
                yield connection
        except FAULTS as error:
            raise self._address.failure(error) from None

    # Waking.

    async def _listen(self) -> None:
        while True:
            with suppress(*FAULTS):
                await self._listen_once(await self._address.connect())
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen_once(self, connection: asyncpg.Connection[Any]) -> None:
        """Until the connection breaks."""
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._driver.channel, lambda *_: self._changes.happened())
            self._changes.happened()  # what came while nobody listened
            await lost.wait()
        finally:
            connection.terminate()

    async def aclose(self) -> None:
        """Finish what is under way and disconnect. Idempotent."""
        if self._closed:
            return
        self._listener.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._closed = True
        try:
            async with asyncio.timeout(STATEMENT_S):
                await self._pool.close()
        except BaseException:
            self._pool.terminate()
            raise
