"""What is in a folder of replies, and how to empty it; for the command line."""

from __future__ import annotations

import os
from pathlib import Path

from ...messages.base import Message
from ...messages.errors import InputError, OutputError
from .segment import lines, lock, segments

__all__ = ["CacheFacts", "clear", "inspect"]


class CacheFacts(Message, frozen=True):
    """Counts of a folder."""

    files: int
    bytes: int
    replies: int
    damaged: int
    in_use: int
    """Files that a run is writing to."""


def inspect(folder: Path) -> CacheFacts:
    """Count; InputError when there is no such cache."""
    try:
        return _inspect(_files(folder))
    except OSError as error:
        raise OutputError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _inspect(paths: list[Path]) -> CacheFacts:
    keys, damaged, used = set[str](), 0, 0
    for path in paths:
        in_use = _in_use(path)
        used += in_use
        for line in lines(path):
            if line.key is not None:
                keys.add(line.key)
            else:
                damaged += line.whole or not in_use
    size = sum(path.stat().st_size for path in paths)
    return CacheFacts(files=len(paths), bytes=size, replies=len(keys), damaged=damaged, in_use=used)


def clear(folder: Path) -> int:
    """Delete all replies and nothing else; how many files there were. InputError when a run uses one."""
    paths = _files(folder)
    if any(_in_use(path) for path in paths):
        raise InputError(f"{folder}: a run is using this cache: wait for its end")
    for path in paths:
        path.unlink()
    return len(paths)


def _files(folder: Path) -> list[Path]:
    paths = segments(folder)
    if not paths:
        raise InputError(f"{folder}: no cache of replies is here")
    return paths


def _in_use(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not lock(descriptor)
    finally:
        os.close(descriptor)
