"""The data folder of a daemon: made, locked, with the daemon's id and the token of its API.

Opened before anything else when a daemon starts. One process holds a folder at a time, by the lock of the
queue, whether or not the queue is in it. What is made here only its owner may read.

    queue.lock     locked by the process that has the folder
    daemon-id      kept from start to start, so that a daemon finds its own runs again
    token          the bearer token of the API, made at the first start
    address.json   where the API of the running daemon is; gone when it has ended in order
    runs/          a folder for each run
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ...actors.synced import make_folder
from ...messages.errors import CrucibleError, InputError, OutputError, StoreError
from ..reports.files import write_whole
from ..stores.folder_lock import FolderLock

__all__ = ["DataFolder"]

ID, TOKEN, ADDRESS, RUNS = "daemon-id", "token", "address.json", "runs"
SHORTEST_TOKEN = 16
ID_PATTERN = re.compile("[0-9a-f]{12}")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS)


class DataFolder:
    """A folder that this process holds. Blocking; use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Make and lock it.

        Raises ConflictError naming the process that has it, OutputError where it cannot be, and StoreError
        when there is no room for it now.
        """
        self.path = path
        self.runs = path / RUNS
        try:
            make_folder(path, 0o700)
        except OSError as error:
            raise _refusal(path, error) from None
        self.lock = _locked(path)
        try:
            make_folder(self.runs, 0o700)
            _try_to_write(self.runs)
            self.daemon_id = self._kept_id()
        except OSError as error:
            self.lock.release()
            raise _refusal(path, error) from None
        except BaseException:
            self.lock.release()
            raise

    def _kept_id(self) -> str:
        path = self.path / ID
        if not path.exists():
            _write(path, f"{uuid.uuid4().hex[:12]}\n".encode())
        kept = path.read_text(errors="replace").strip()
        if not ID_PATTERN.fullmatch(kept):
            raise InputError(
                f"{path}: holds no id of a daemon: expected {ID_PATTERN.pattern}; delete the file to be "
                "given a new one (runs of the old id go back into the queue when their leases run out)"
            )
        return kept

    def token(self, given: str | None) -> str:
        """The API's token: from the file that was named, which must be there, or our own, made if missing."""
        path = self.path / TOKEN if given is None else Path(given).expanduser()
        try:
            if given is None and not path.exists():
                _write(path, secrets.token_urlsafe(32).encode() + b"\n")
            token = path.read_text().strip()
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise InputError(f"{path}: cannot read the token: {reason}") from None
        if mode & 0o077:
            raise InputError(f"{path}: others may read the token: expected mode 0600 (chmod 600 {path})")
        if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise InputError(
                f"{path}: holds no usable token: expected one line of {SHORTEST_TOKEN} or more "
                "printable ASCII characters"
            )
        return token

    def tell_address(self, url: str) -> None:
        """Leave where the API is."""
        content = msgspec.json.encode({"url": url, "pid": os.getpid()})
        _write(self.path / ADDRESS, content + b"\n")

    def close(self) -> None:
        """Give the folder up."""
        (self.path / ADDRESS).unlink(missing_ok=True)
        self.lock.release()

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it up."""
        self.close()


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OutputError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_ROOM:
            raise StoreError(f"{error}: {_ROOM}") from None
        raise


def _try_to_write(folder: Path) -> None:
    """Find out now, and not with the first run, that a folder was given to another user."""
    try:
        Path(tempfile.mkdtemp(prefix=".tried-", dir=folder)).rmdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


_ROOM = "free some space and start again, what was stored is safe"


def _locked(folder: Path) -> FolderLock:
    try:
        return FolderLock(folder)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):
            raise _refusal(folder, error.__cause__) from None
        raise


def _refusal(folder: Path, error: OSError) -> CrucibleError:
    """A full disk may have room when the daemon is started again; nothing else mends itself."""
    told = _unfit(folder, error)
    if error.errno in NO_ROOM:
        return StoreError(f"{told}: {_ROOM}")
    return OutputError(told)


def _unfit(folder: Path, error: OSError) -> str:
    """What is wrong with a data folder, and what is expected of it."""
    named = Path(error.filename) if isinstance(error.filename, str) else folder
    where = "" if named == folder else f"{named}: "
    if isinstance(error, FileExistsError):
        reason = f"{where}expected a folder, found a file"
    else:
        reason = f"{where}{error.strerror}"
    if error.errno in NO_WRITING:
        reason += ": expected a folder that this user may write; --data names another"
    return f"{folder}: cannot keep the data of a daemon: {reason}"
