"""Opening a file of a run by its name, and nothing else: no way out of the folder, no links, no devices.

Each part of the name is opened below the one before it, without following links, so that nothing that changes
between a look and a use leads elsewhere. Blocking: callers use a thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ...messages.errors import NotFoundError
from ...planning import MEDIA_TYPES

__all__ = ["OpenFile", "media_type_of", "open_file", "walk_files"]

MOST_FILES = 10_000
DEEPEST = 16
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

SHOWN_TYPES = MEDIA_TYPES | {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain",
    ".partial": "application/x-ndjson",
}


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A regular file that is open for reading; the owner closes the descriptor."""

    descriptor: int
    name: str
    size: int
    etag: str


def media_type_of(name: str) -> str:
    """By its ending; bytes when it is unknown."""
    return SHOWN_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def open_file(folder: Path, name: str) -> OpenFile:
    """Open ``name`` below ``folder``; NotFoundError for everything that is not a plain file there."""
    parts = name.split("/")
    if len(parts) > DEEPEST or any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise NotFoundError("there is no such file in the run")
    try:
        here = os.open(folder, _FLAGS | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                above, here = here, os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=here)
                os.close(above)
            descriptor = os.open(parts[-1], _FLAGS, dir_fd=here)
        finally:
            os.close(here)
    except (OSError, ValueError):
        raise NotFoundError("there is no such file in the run") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise NotFoundError("there is no such file in the run")
    etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
    return OpenFile(descriptor, name, found.st_size, etag)


def walk_files(folder: Path) -> list[tuple[str, int]]:
    """Names and sizes of the plain files below the folder, those that begin with a dot left out."""
    found: list[tuple[str, int]] = []
    waiting = [("", folder)]
    while waiting:
        prefix, where = waiting.pop()
        try:
            entries = sorted(os.scandir(where), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or len(found) >= MOST_FILES:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((f"{prefix}{entry.name}/", Path(entry.path)))
            elif entry.is_file(follow_symlinks=False):
                found.append((prefix + entry.name, entry.stat(follow_symlinks=False).st_size))
    return sorted(found)
