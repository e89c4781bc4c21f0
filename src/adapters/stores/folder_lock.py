"""One process for a data folder: a lock on a file in it, which says who holds it.

The kernel lets go of it when its process ends, however that happens (flock). Taken by a daemon for its data
folder, by a store in SQLite that was opened without one, and by commands that change its database.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ...messages.errors import ConflictError, OutputError

__all__ = ["FolderLock"]

NAME = "queue.lock"


class FolderLock:
    """Held from its making until ``release``. Blocking."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is missing, and take it. ConflictError names the process that has it."""
        path = folder / NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            reason = "expected a folder" if isinstance(error, FileExistsError) else error.strerror
            raise OutputError(
                f"{folder}: cannot be used as data folder: {reason}: name one that may be written to"
            ) from error
        try:
            _take(descriptor, folder)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise ConflictError(
            f"{folder}: is in use by {who}: stop that daemon first, or name another data folder"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder}: files cannot be locked there: {error.strerror}") from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}") from error
