"""The queue in one file on this machine: the default of a daemon. One process a folder.

Durable when a method returns: write-ahead log, ``synchronous=FULL``, group commits by one thread
(``sqlite_writer``). Readers are connections that cannot write, in a few threads of their own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ...messages.errors import StoreError
from .folder_lock import FolderLock
from .sql_store import SqlStore, Undo
from .sqlite_database import FILE, drive, failure, open_reader, open_writer
from .sqlite_writer import SqliteWriter
from .steps import Steps

__all__ = ["SqliteStore"]

READERS = 2
MOST_READS = 64

T = TypeVar("T")


class SqliteStore(SqlStore):
    """Implements ``actors.store.Store``. Made by ``open``."""

    def __init__(
        self,
        lock: FolderLock | None,
        connection: sqlite3.Connection,
        path: Path,
        clock: Callable[[], float],
        versions: tuple[int, int],
    ) -> None:
        super().__init__()
        self.versions = versions
        """The schema as it was found, and as it is now."""
        self._own_lock, self._path, self._clock = lock, path, clock
        self._writer = SqliteWriter(connection, path, clock=clock, written=self._changes.happened)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="queue reader")
        self._reads = asyncio.Semaphore(MOST_READS)
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, folder: Path, *, clock: Callable[[], float] = time.time, lock: FolderLock | None = None
    ) -> SqliteStore:
        """Take the folder, which is made if missing, and bring its database up to date.

        ``lock``: of a caller who has taken the folder and keeps it for as long. Raises InputErrors that say
        what to do: ConflictError when another process has the folder, OutputError when it cannot be written
        to, InputError for a database that is damaged or newer than this program.
        """
        return cls(*await asyncio.to_thread(_open, folder, clock, lock))

    async def _write(self, steps: Steps[T], undo: Undo | None = None) -> T:
        result: T = await self._writer.do(steps, undo)
        return result

    async def _read(self, steps: Steps[T]) -> T:
        async with self._reads:
            if self._closing is not None:
                raise StoreError(f"{self._path}: the store is closed")
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._look_up, steps)

    def _look_up(self, steps: Steps[T]) -> T:
        """In a reader's thread: one operation on one snapshot."""
        try:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return drive(steps, connection, self._clock)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise failure(error, self._path) from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = open_reader(self._path)
            self._connections.append(connection)
        return connection

    async def aclose(self) -> None:
        """Finish what is under way, close the files and give the folder back. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        await self._writer.aclose()
        if self._own_lock is not None:
            self._own_lock.release()


def _open(
    folder: Path, clock: Callable[[], float], lock: FolderLock | None
) -> tuple[FolderLock | None, sqlite3.Connection, Path, Callable[[], float], tuple[int, int]]:
    own = FolderLock(folder) if lock is None else None
    try:
        path = folder / FILE
        connection, versions = open_writer(path, clock)
    except BaseException:
        if own is not None:
            own.release()
        raise
    return own, connection, path, clock, versions
