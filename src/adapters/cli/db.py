"""``crucible db``: looking after the database of the queue."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

from .pipes import quiet_pipe

if TYPE_CHECKING:
    from ..stores.inspection import Inspection

__all__ = ["check", "export", "upgrade", "vacuum"]

DATA = Path("crucible-data")
Flag = Parameter(negative="")


def upgrade(*, data: Path = DATA, url: str | None = None) -> int:
    """Bring the tables up to date, or make them. The daemon does that by itself when it starts.

    Args:
        data: Folder of the daemon. Its daemon must not run.
        url: Of a queue in PostgreSQL: where its address is, env:NAME or file:PATH.
    """
    if url is None:
        from ..stores import care_sqlite

        before, now = care_sqlite.upgrade(data)
    else:
        from ..stores import care_postgres

        before, now = asyncio.run(care_postgres.upgrade(_checked(url)))
    changed = f"schema {before} is now schema {now}" if before != now else f"schema {now} is up to date"
    print(f"{_where(data, url)}: {changed}")
    return 0


def check(*, data: Path = DATA, url: str | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Say what is in the queue, and whether it is sound; exit code 1 if it is not. Daemons may run.

    Args:
        data: Folder of the daemon.
        url: Of a queue in PostgreSQL: where its address is, env:NAME or file:PATH.
        json: Print one JSON object.
    """
    import msgspec

    if url is None:
        from ..stores import care_sqlite

        found = care_sqlite.check(data)
    else:
        from ..stores import care_postgres

        found = asyncio.run(care_postgres.check(_checked(url)))
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _print(_where(data, url), found)
    return 1 if found.problems else 0


def _print(where: str, found: Inspection) -> None:
    print(f"{where}: schema {found.schema}, {'sound' if not found.problems else 'NOT SOUND'}")
    print("  runs:", ", ".join(f"{count:,} {state}" for state, count in found.runs.items()) or "none")
    print(
        "  rows:", ", ".join(f"{count:,} {table}" for table, count in found.rows.items() if count) or "none"
    )
    for problem in found.problems:
        print(f"  {problem}")


def vacuum(*, data: Path = DATA, url: str | None = None) -> int:
    """Give back the room of what was deleted.

    Args:
        data: Folder of the daemon. Its daemon must not run, and as much room again must be free.
        url: Of a queue in PostgreSQL: where its address is, env:NAME or file:PATH. Daemons may run.
    """
    if url is None:
        from ..stores import care_sqlite

        before = care_sqlite.size(data)
        care_sqlite.vacuum(data)
        print(f"{data}: kilobytes {before / 1e3:,.0f}, now {care_sqlite.size(data) / 1e3:,.0f}")
    else:
        from ..stores import care_postgres

        asyncio.run(care_postgres.vacuum(_checked(url)))
        print(f"{url}: done")
    return 0


def export(*, data: Path = DATA, url: str | None = None, output: Path | None = None) -> int:
    """Write everything as lines of JSON, {"table": ..., column: value, ...}. Daemons may run.

    Args:
        data: Folder of the daemon.
        url: Of a queue in PostgreSQL: where its address is, env:NAME or file:PATH.
        output: File to write, which must not be there; default: standard output.
    """
    if url is None:
        from ..stores import care_sqlite

        lines = care_sqlite.export(data)
        first = next(lines, b"")  # errors come before the file is made
        with _target(output) as file:
            file.write(first)
            file.writelines(lines)
    else:
        with _target(output) as file:
            asyncio.run(_export(_checked(url), file))
    return 0


async def _export(reference: str, file: BinaryIO) -> None:
    from ..stores import care_postgres

    async for line in care_postgres.export(reference):
        file.write(line)


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a new file that only its owner may read and that is whole or not there."""
    import os

    from ...messages.errors import OutputError

    if output is None:
        with quiet_pipe(sys.stdout):
            yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        output.unlink()
        raise


def _where(data: Path, url: str | None) -> str:
    return str(data) if url is None else url


def _checked(url: str) -> str:
    from ...messages.settings import StoreSettings
    from ..stores.opening import postgres_reference

    return postgres_reference(StoreSettings(kind="postgres", url=url))
