"""Small file systems for tests, where mounting is allowed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *, size: str = "4m", read_only: bool = False) -> Iterator[Path]:
    """A file system in memory on the folder; skips the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    options = f"size={size},mode=700{',ro' if read_only else ''}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"mounts are not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # files may be open


def grow(folder: Path, size: str) -> None:
    """Make such a file system larger."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
