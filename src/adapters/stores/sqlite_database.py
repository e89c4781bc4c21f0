"""Opening SQLite as a durable store needs it, and saying in one line what is wrong with a database.

Nothing of a database that is refused is changed: it is looked at through a connection that cannot write.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...actors.synced import sync_folder
from ...messages.errors import CrucibleError, InputError, OutputError, StoreError
from .file_system import refuse_network
from .migrations import check_version, migrate, version_of
from .steps import Ask, Do, Now, Steps

__all__ = ["FILE", "drive", "failure", "open_reader", "open_writer", "refuse_unfit"]

FILE = "queue.db"
APPLICATION = 0x43525543  # "CRUC"
LARGEST_CHECKED = 64 * 1024 * 1024

T = TypeVar("T")


def drive(steps: Steps[T], connection: sqlite3.Connection, clock: Callable[[], float]) -> T:
    """Run an operation. The caller has begun a transaction."""
    reply: Any = None
    try:
        while True:
            step = steps.send(reply)
            kind = type(step)
            if kind is Ask:
                reply = connection.execute(step.sql, step.args).fetchall()  # type: ignore[union-attr]
            elif kind is Do:
                reply = connection.execute(step.sql, step.args).rowcount  # type: ignore[union-attr]
            elif kind is Now:
                reply = clock()
            else:  # one writer: every transaction has its turn already
                reply = None
    except (UnicodeEncodeError, OverflowError) as error:
        raise InputError(f"a value that SQLite cannot store: {error}") from None
    except StopIteration as stop:
        value: T = stop.value
        return value


def failure(error: sqlite3.Error, path: Path) -> StoreError:
    """What went wrong, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: the disk is full: free some space and go on, what was stored is safe")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreError(f"{path}: is damaged ({error}): {_REMEDY}")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        return StoreError(f"{path}: cannot be written ({error}): {_ACCESS}")
    if code == sqlite3.SQLITE_BUSY:
        return StoreError(f"{path}: another program holds it: close that, and only look at it read-only")
    if code == sqlite3.SQLITE_IOERR:  # of a full disk too, where the index of the log has no room
        return StoreError(f"{path}: {error}: {_DISK}")
    return StoreError(f"{path}: {error}")


_DISK = "free some space, or look for errors of the disk in the system's log; what was stored is safe"
_ACCESS = "check its permissions and mount"
_REMEDY = (
    "keep the file, copy a backup in its place, or move it away to begin with an empty queue; "
    "nothing was changed"
)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5.0,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def refuse_unfit(path: Path) -> None:
    """Refuse a database that is damaged, of another program or of a newer Crucible."""
    if not path.exists() or not path.stat().st_size:
        return
    try:
        connection = open_reader(path)
        try:
            _look(connection, path)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        told = failure(error, path)
        raise InputError(str(told)) from error


def _look(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION and tables:
        raise InputError(f"{path}: is no queue of Crucible: name another data folder, or move the file away")
    if tables:
        check_version(drive(version_of(), connection, float), str(path))
    if path.stat().st_size <= LARGEST_CHECKED:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise InputError(f"{path}: is damaged ({' '.join(found.split())}): {_REMEDY}")


def open_writer(path: Path, clock: Callable[[], float]) -> tuple[sqlite3.Connection, tuple[int, int]]:
    """The writing connection, with tables up to date, and the schema versions before and now.

    Raises InputErrors that say what to do. The caller holds the folder's lock.
    """
    refuse_network(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}: {_ACCESS}") from error
    refuse_unfit(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        versions = _prepare(connection, path, clock)
    except sqlite3.Error as error:
        connection.close()
        raise OutputError(str(failure(error, path))) from error
    except CrucibleError:
        connection.close()
        raise
    sync_folder(path.parent)
    return connection, versions


def _prepare(connection: sqlite3.Connection, path: Path, clock: Callable[[], float]) -> tuple[int, int]:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != 2:
        raise OutputError(
            f"{path}: SQLite gives journal mode {mode} and level {level} instead of WAL and FULL: "
            "name a folder on a local disk"
        )
    connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        versions = drive(migrate("sqlite", str(path)), connection, clock)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return versions
