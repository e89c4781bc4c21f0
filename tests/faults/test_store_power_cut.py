"""The disk as a power cut would leave it: what was acknowledged is on it.

The queue lies on a file system in a file (loop mount). Now and then its process is stopped and that file is
copied: what the process has written, but nobody has synced, is in memory only and not in the copy. That is
mounted, which replays the journal of the file system as after a power cut, and the queue in it is opened.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.faults.store_ledger import Ledger, working

CUTS = 5
SIZE = 32 * 1024 * 1024


@contextmanager
def loop_mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    run_or_skip("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run_or_skip(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]}")
    if done.returncode:
        pytest.skip(f"loop mounts are not allowed here: {done.stderr.strip()}")


def settled_copy(image: Path, copy: Path) -> None:
    """Copy until two copies are the same, so that nothing was written in between."""
    shutil.copyfile(image, copy)
    while True:
        again = copy.with_suffix(".again")
        shutil.copyfile(image, again)
        if again.read_bytes() == copy.read_bytes():
            again.unlink()
            return
        again.replace(copy)


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_in_a_power_cut(tmp_path: Path) -> None:
    rng, ledger = random.Random(7), Ledger()
    image, copy = tmp_path / "disk", tmp_path / "copy"
    with image.open("wb") as file:
        file.truncate(SIZE)
    run_or_skip("mkfs.ext4", "-q", "-F", str(image))
    with (
        loop_mounted(image, tmp_path / "mounted") as disk,
        working(disk / "data", "b", tmp_path / "outside") as (worker, told),
    ):
        for _ in range(CUTS):
            ledger.add(told.readline() for _ in range(rng.randint(20, 600)))
            worker.send_signal(signal.SIGSTOP)
            os.waitpid(worker.pid, os.WUNTRACED)
            ledger.add(_waiting_lines(told))
            settled_copy(image, copy)
            with loop_mounted(copy, tmp_path / "after") as after:
                assert ledger.lost(after / "data") == []
            worker.send_signal(signal.SIGCONT)
    assert len(ledger.lines) > 20 * CUTS


def _waiting_lines(told: IO[bytes]) -> Iterator[bytes]:
    """What a stopped process has printed and nobody has read."""
    os.set_blocking(told.fileno(), False)
    try:
        while line := told.readline():
            yield line
    finally:
        os.set_blocking(told.fileno(), True)
