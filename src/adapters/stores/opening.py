"""Opening the store that the settings name."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ...actors.store import Store
from ...messages.errors import InputError, install_extra
from ...messages.settings import StoreSettings
from .folder_lock import FolderLock
from .memory import MemoryStore
from .sqlite import SqliteStore

__all__ = ["open_store", "postgres_reference"]


async def open_store(
    settings: StoreSettings,
    data: Path,
    *,
    clock: Callable[[], float] = time.time,
    lock: FolderLock | None = None,
) -> Store:
    """The store, with its tables up to date; the caller closes it.

    ``lock``: the caller's on the folder, if it has taken it. ``clock`` is not used by PostgreSQL, whose
    server tells the time. Raises InputErrors that say what to do.
    """
    if settings.kind == "memory":
        return MemoryStore(clock=clock)
    if settings.kind == "sqlite":
        return await SqliteStore.open(data, clock=clock, lock=lock)
    reference = postgres_reference(settings)
    from .postgres import PostgresStore

    return await PostgresStore.open(reference)


def postgres_reference(settings: StoreSettings) -> str:
    """Where the address of PostgreSQL is; InputError when that is not said, or when its driver is missing."""
    if settings.url is None:
        raise InputError("store.url: postgres needs a reference to its address, env:NAME or file:PATH")
    if find_spec("asyncpg") is None:
        raise InputError(f"store.kind: postgres needs asyncpg: {install_extra('postgres')}")
    return settings.url
