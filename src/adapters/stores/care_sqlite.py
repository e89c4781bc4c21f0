"""Looking after a queue in SQLite without a daemon. Blocking; called by ``crucible db``.

``check`` and ``export`` only read and may run beside a daemon. ``upgrade`` and ``vacuum`` take the folder.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...messages.errors import NotFoundError
from .folder_lock import FolderLock
from .inspection import TABLES, Inspection, export_line, inspect, select_all
from .sqlite_database import FILE, drive, failure, open_reader, open_writer, refuse_unfit

__all__ = ["check", "export", "size", "upgrade", "vacuum"]


def size(folder: Path) -> int:
    """Bytes of the database with its log."""
    files = (folder / f"{FILE}{suffix}" for suffix in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def check(folder: Path) -> Inspection:
    """Count everything; every page, every reference and every run's state is looked at."""
    with _reader(folder) as (connection, path):
        found = drive(inspect(str(path)), connection, time.time)
        for (line,) in connection.execute("PRAGMA integrity_check(20)"):
            found.problems += [] if line == "ok" else [f"damaged: {' '.join(line.split())}"]
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            found.problems.append(f"row {row} of {table}: its {parent} is gone")
    return found


def export(folder: Path) -> Iterator[bytes]:
    """Everything, as lines of JSON, from one snapshot."""
    with _reader(folder) as (connection, _):
        connection.row_factory = sqlite3.Row
        for table in TABLES:
            for row in connection.execute(select_all(table)):
                yield export_line(table, dict(row))


def upgrade(folder: Path) -> tuple[int, int]:
    """Make the database, or bring its tables up to date; the schema before and now."""
    with _writer(folder) as (_, versions):
        return versions


def vacuum(folder: Path) -> None:
    """Give back the room of what was deleted. Needs as much room again while it works."""
    _path(folder)
    with _writer(folder) as (connection, _):
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _path(folder: Path) -> Path:
    path = folder / FILE
    if not path.is_file():
        raise NotFoundError(f"{folder}: holds no queue: expected {FILE} in it")
    return path


@contextmanager
def _reader(folder: Path) -> Iterator[tuple[sqlite3.Connection, Path]]:
    path = _path(folder)
    refuse_unfit(path)
    connection = open_reader(path)
    try:
        connection.execute("BEGIN")
        yield connection, path
    except sqlite3.Error as error:
        raise failure(error, path) from error
    finally:
        connection.close()


@contextmanager
def _writer(folder: Path) -> Iterator[tuple[sqlite3.Connection, tuple[int, int]]]:
    lock = FolderLock(folder)
    try:
        connection, versions = open_writer(folder / FILE, time.time)
        try:
            yield connection, versions
        except sqlite3.Error as error:
            raise failure(error, folder / FILE) from error
        finally:
            connection.close()
    finally:
        lock.release()
