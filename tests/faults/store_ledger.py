"""What a worker was told, held against what its queue says afterwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.faults.daemon_process import BOUND

from crucible.adapters.stores import care_sqlite

WORKER = Path(__file__).with_name("store_worker.py")


@contextmanager
def working(folder: Path, boot: str, outside: Path) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A worker and what it prints; killed in the end."""
    command = [*BOUND, sys.executable, str(WORKER), str(folder), boot, str(outside)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        try:
            yield worker, worker.stdout
        finally:
            worker.kill()


class Ledger:
    """Every acknowledgement so far."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []

    def add(self, lines: Iterable[bytes]) -> None:
        self.lines += [line.decode().split() for line in lines if line.endswith(b"\n")]

    def lost(self, folder: Path) -> list[str]:
        """What was acknowledged and is not there, and what is not sound."""
        missing = care_sqlite.check(folder).problems
        database = sqlite3.connect(f"file:{folder / 'queue.db'}?mode=ro", uri=True)
        runs = dict(database.execute("SELECT id, state FROM run"))
        stages = set(database.execute("SELECT run_id, name, result FROM stage WHERE status = 'completed'"))
        effects = dict(database.execute("SELECT key, state FROM effect"))
        database.close()
        there = {
            "submitted": lambda run: run in runs,
            "intended": lambda key: key in effects,
            "effect": lambda key: effects.get(key) == "acknowledged",
            "stage": lambda run, name: (run, name, name.encode()) in stages,
            "settled": lambda run: runs.get(run) == "completed",
        }
        return missing + [" ".join(line) for line in self.lines if not there[line[0]](*line[1:])]  # type: ignore[operator]
