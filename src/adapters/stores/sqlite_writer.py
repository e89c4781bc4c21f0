"""The thread that owns the only writing connection, and commits in groups.

Everything that queued up while the last commit ran goes into the next one; each operation has a savepoint, so
that one that fails undoes nothing of the others. Callers learn of a result after the commit only. A job whose
caller was cancelled before its turn is dropped whole; later, it is finished and, where it matters, undone.

SQLite before 3.51.3 can damage a database in WAL mode that two connections write or checkpoint at once:
hence one connection, and readers that cannot write.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from ...messages.errors import StoreError
from .sqlite_database import drive, failure
from .steps import Steps

__all__ = ["Job", "SqliteWriter"]

MOST_AT_ONCE = 256
MOST_WAITING = 1024


class Job(NamedTuple):
    """An operation, and who waits for it."""

    steps: Steps[Any]
    future: asyncio.Future[Any]
    undo: Callable[[Any], Steps[None] | None] | None = None


class SqliteWriter:
    """Takes operations from one event loop."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        clock: Callable[[], float],
        written: Callable[[], None],
    ) -> None:
        """``written`` is called on the loop after commits that changed something."""
        self._connection, self._path = connection, path
        self._clock, self._written = clock, written
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="queue writer", daemon=True)
        self._thread.start()

    async def do(self, steps: Steps[Any], undo: Callable[[Any], Steps[None] | None] | None = None) -> Any:
        """Have an operation done; returns when it is on disk."""
        async with self._room:
            return await self._queued(steps, undo)

    async def _queued(self, steps: Steps[Any], undo: Callable[[Any], Steps[None] | None] | None) -> Any:
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")
        job = Job(steps, asyncio.get_running_loop().create_future(), undo)
        self._put(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            if not job.future.cancelled():  # cancelled after the result, before it was looked at
                self._undo(job, job.future.exception() or job.future.result())
            raise

    async def aclose(self) -> None:
        """Finish what was asked for, undo what nobody waits for, and close the connection. Call it once."""
        self._closed = True
        await self._idle.wait()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _put(self, job: Job) -> None:
        self._under_way += 1
        self._idle.clear()
        self._jobs.put(job)

    # in the thread

    def _work(self) -> None:
        ending = False
        while not ending:
            batch = [self._jobs.get()]
            with contextlib.suppress(Empty):
                while len(batch) < MOST_AT_ONCE:
                    batch.append(self._jobs.get_nowait())
            jobs = [job for job in batch if job is not None]
            ending = len(jobs) < len(batch)
            self._tell(jobs, *self._commit(jobs))
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _commit(self, jobs: list[Job]) -> tuple[list[Any], bool]:
        """Do all in one transaction; their results, or errors, and whether something was written."""
        before = self._connection.total_changes
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._do(job) for job in jobs]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread goes on, and every caller is told
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            return [self._told(error)] * len(jobs), False
        return results, self._connection.total_changes != before

    def _do(self, job: Job) -> Any:
        """One operation. A failure of the database fails the whole group, any other this operation only."""
        if job.future.cancelled():
            job.steps.close()
            return None
        execute = self._connection.execute
        execute("SAVEPOINT operation")
        try:
            result = drive(job.steps, self._connection, self._clock)
        except (sqlite3.OperationalError, sqlite3.InternalError):
            raise
        except Exception as error:
            if type(error) is sqlite3.DatabaseError:  # damaged
                raise
            execute("ROLLBACK TO operation")
            result = self._told(error) if isinstance(error, sqlite3.Error) else error
        execute("RELEASE operation")
        return result

    def _told(self, error: Exception) -> StoreError:
        if isinstance(error, sqlite3.Error):
            return failure(error, self._path)
        return StoreError(f"{self._path}: {type(error).__name__}: {error}")

    def _tell(self, jobs: list[Job], results: list[Any], wrote: bool) -> None:  # noqa: FBT001
        if jobs:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                jobs[0].future.get_loop().call_soon_threadsafe(self._resolve, jobs, results, wrote)

    # on the loop

    def _resolve(self, jobs: list[Job], results: list[Any], wrote: bool) -> None:  # noqa: FBT001
        for job, result in zip(jobs, results, strict=True):
            if job.future.done():
                self._undo(job, result)
            elif isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        if wrote:
            self._written()
        self._under_way -= len(jobs)
        if not self._under_way:
            self._idle.set()

    def _undo(self, job: Job, result: Any) -> None:
        steps = None
        if job.undo is not None and result is not None and not isinstance(result, Exception):
            steps = job.undo(result)
        if steps is not None:
            future = job.future.get_loop().create_future()
            future.add_done_callback(
                lambda done: done.exception()
            )  # failed: the leases run out by themselves
            self._put(Job(steps, future))
