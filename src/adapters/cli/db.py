"""``crucible db``: looking after the database of the queue."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

from .pipes import quiet_pipe

if TYPE_CHECKING:
    from ..stores.inspection import Inspection

__all__ = ["check", "export", "upgrade", "vacuum"]

Flag = Parameter(negative="")
Config = Annotated[
    Path | None, Parameter(help="Settings file of the daemon, which names the store and its folder.")
]
Data = Annotated[
    Path | None,
    Parameter(help="Folder of the daemon; default: CRUCIBLE_DATA, that of --config, or ./crucible-data."),
]
Url = Annotated[
    str | None, Parameter(help="Of a queue in PostgreSQL: where its address is, env:NAME or file:PATH.")
]


@dataclass(frozen=True)
class _Queue:
    """Which one is meant: a data folder, or a reference to PostgreSQL's address."""

    folder: Path
    url: str | None

    @property
    def where(self) -> str:
        return str(self.folder) if self.url is None else self.url


def _meant(config: Path | None, data: Path | None, url: str | None) -> _Queue:
    """By the options, else by the settings; InputError when they contradict each other."""
    from ...client.address import data_folder
    from ...messages.errors import InputError
    from ...messages.settings import StoreSettings
    from ...messages.settings_file import environment_overrides, load_settings
    from ..stores.opening import postgres_reference

    if url is not None and (data is not None or config is not None):
        raise InputError(f"--url names the queue: expected no {'--data' if data is not None else '--config'}")
    if url is not None:
        store = StoreSettings(kind="postgres", url=url)
        return _Queue(data_folder(), postgres_reference(store))
    if config is None:
        return _Queue(data_folder(data), None)
    settings = load_settings(config, environment_overrides())
    if settings.store.kind == "memory":
        raise InputError(f"{config}: store.kind: memory keeps nothing that could be looked after")
    if settings.store.kind == "postgres":
        if data is not None:
            raise InputError(f"--data has no effect: the queue of {config} is in PostgreSQL")
        return _Queue(Path(settings.data), postgres_reference(settings.store))
    return _Queue(Path(settings.data).expanduser() if data is None else data, None)


def upgrade(*, config: Config = None, data: Data = None, url: Url = None) -> int:
    """Bring the tables up to date, or make them. The daemon does that by itself when it starts.

    A daemon on a queue in SQLite must not run.
    """
    queue = _meant(config, data, url)
    if queue.url is None:
        from ..stores import care_sqlite

        before, now = care_sqlite.upgrade(queue.folder)
    else:
        from ..stores import care_postgres

        before, now = asyncio.run(care_postgres.upgrade(queue.url))
    changed = f"schema {before} is now schema {now}" if before != now else f"schema {now} is up to date"
    print(f"{queue.where}: {changed}")
    return 0


def check(
    *, config: Config = None, data: Data = None, url: Url = None, json: Annotated[bool, Flag] = False
) -> int:
    """Say what is in the queue, and whether it is sound; exit code 1 if it is not. Daemons may run.

    Args:
        json: Print one JSON object.
    """
    import msgspec

    queue = _meant(config, data, url)
    if queue.url is None:
        from ..stores import care_sqlite

        found = care_sqlite.check(queue.folder)
    else:
        from ..stores import care_postgres

        found = asyncio.run(care_postgres.check(queue.url))
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _print(queue.where, found)
    return 1 if found.problems else 0


def _print(where: str, found: Inspection) -> None:
    known = "schema unknown" if found.schema is None else f"schema {found.schema}"
    verdict = "NOT SOUND" if found.problems else "sound"
    if found.unchecked and not found.problems:
        verdict = "sound as far as it may be read"
    print(f"{where}: {known}, {verdict}")
    if "run" not in found.unchecked:
        print("  runs:", ", ".join(f"{count:,} {state}" for state, count in found.runs.items()) or "none")
    rows = ", ".join(f"{count:,} {table}" for table, count in found.rows.items() if count)
    print("  rows:", rows or "none")
    for problem in found.problems:
        print(f"  {problem}")
    if found.unchecked:
        print(f"  not checked, since the user may not read them: {', '.join(found.unchecked)}")


def vacuum(*, config: Config = None, data: Data = None, url: Url = None) -> int:
    """Give back the room of what was deleted.

    A daemon on a queue in SQLite must not run, and as much room again must be free.
    """
    queue = _meant(config, data, url)
    if queue.url is None:
        from ..stores import care_sqlite

        before = care_sqlite.size(queue.folder)
        care_sqlite.vacuum(queue.folder)
        now = care_sqlite.size(queue.folder)
        print(f"{queue.where}: kilobytes {before / 1e3:,.0f}, now {now / 1e3:,.0f}")
    else:
        from ..stores import care_postgres

        asyncio.run(care_postgres.vacuum(queue.url))
        print(f"{queue.where}: done")
    return 0


def export(*, config: Config = None, data: Data = None, url: Url = None, output: Path | None = None) -> int:
    """Write everything as lines of JSON, {"table": ..., column: value, ...}. Daemons may run.

    Args:
        output: File to write, which must not be there; default: standard output.
    """
    queue = _meant(config, data, url)
    if queue.url is None:
        from ..stores import care_sqlite

        lines = care_sqlite.export(queue.folder)
        first = next(lines, b"")  # errors come before the file is made
        with _target(output) as file:
            file.write(first)
            file.writelines(lines)
    else:
        with _target(output) as file:
            asyncio.run(_export(queue.url, file))
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
