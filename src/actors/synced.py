"""Folders whose entries survive a power cut.

A synced file may lose its name, and a renamed one have its old name, as long as their folder is not synced.
Used wherever something counts as kept once it is on disk. All of it blocks.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_folder", "sync_folder"]


def sync_folder(folder: Path) -> None:
    """Make the names in it stay, where the system can sync folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make it, and those above it that are missing, to stay."""
    missing = []
    path = folder
    while not path.exists():
        missing.append(path)
        path = path.parent
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_folder(made.parent)
