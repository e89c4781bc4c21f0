"""The supervisor of ``crucible run --persistence sqlite``: the queue of a data folder, for one run of it.

The folder is held as a daemon holds it and under the daemon's id, so that whoever comes next, the same
command or ``crucible serve``, takes over at once what a crash has left. What else is in the queue waits for a
daemon.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...engine import Supervisor

__all__ = ["kept_supervisor"]


@contextlib.asynccontextmanager
async def kept_supervisor(data: Path, *, cache: bool) -> AsyncIterator[Supervisor]:
    """Over the queue in a data folder. Raises ConflictError when a daemon or another run has the folder."""
    from ...engine import Supervisor
    from ...messages.errors import ConflictError
    from ...messages.settings import DaemonSettings
    from ..service.data_folder import DataFolder
    from ..stores import SqliteStore

    try:
        folder = DataFolder(data)
    except ConflictError:
        raise ConflictError(
            f"{data}: a daemon or another run has it: hand the experiment to the daemon with crucible submit,"
            " or name another folder with --data"
        ) from None
    with folder:
        # Whoever gives the command sees what comes of it: nothing is parked for having been killed often.
        settings = DaemonSettings(name=folder.daemon_id, max_running=1, max_interruptions=sys.maxsize)
        store = await SqliteStore.open(data, lock=folder.lock)
        try:
            async with Supervisor(
                out=folder.runs, cache=cache, store=store, settings=settings, own_only=True
            ) as supervisor:
                yield supervisor
        finally:
            await store.aclose()
