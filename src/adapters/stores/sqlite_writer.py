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
        self._thread = threading.Thread(target=self._work, name="queue writer", daemon=True)
        self._thread.start()
        self._closed = False

    async def do(self, steps: Steps[Any], undo: Callable[[Any], Steps[None] | None] | None = None) -> Any:
        """Have an operation done; returns when it is on disk."""
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise StoreError(f"{self._path}: the store is closed")
        job = Job(steps, asyncio.get_running_loop().create_future(), undo)
        self._jobs.put(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            if not job.future.cancelled():  # cancelled after the result, before it was looked at
                self._undo(job, job.future.exception() or job.future.result())
            raise

    def close(self) -> None:
        """Finish what was asked for, and close the connection. Blocking and idempotent."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

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
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            return [failure(error, self._path)] * len(jobs), False
        return results, self._connection.total_changes != before

    def _do(self, job: Job) -> Any:
        """One operation. A failure of SQLite fails the whole group, any other one this operation only."""
        if job.future.cancelled():
            job.steps.close()
            return None
        execute = self._connection.execute
        execute("SAVEPOINT operation")
        try:
            result = drive(job.steps, self._connection, self._clock)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - handed to the caller
            execute("ROLLBACK TO operation")
            result = error
        execute("RELEASE operation")
        return result

    def _tell(self, jobs: list[Job], results: list[Any], wrote: bool) -> None:  # noqa: FBT001
        if jobs:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                jobs[0].future.get_loop().call_soon_threadsafe(self._resolve, jobs, results, wrote)

    # on the loop

    def _resolve(self, jobs: list[Job], results: list[Any], wrote: bool) -> None:  # noqa: FBT001
        for job, result in zip(jobs, results, strict=True):
            self._room.release()
            if job.future.done():
                self._undo(job, result)
            elif isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        if wrote:
            self._written()

    def _undo(self, job: Job, result: Any) -> None:
        steps = None
        if job.undo is not None and result is not None and not isinstance(result, Exception):
            steps = job.undo(result)
        if steps is not None and not self._closed:
            future = job.future.get_loop().create_future()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._jobs.put(Job(steps, future))
