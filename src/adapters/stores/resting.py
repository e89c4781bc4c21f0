"""A queue in SQLite that no daemon serves, read by ``crucible runs``, ``status`` and ``logs``. Blocking.

The methods are those of ``client.Client`` that these commands call, and answer alike. Nothing is written.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from ...messages.api import StageView
from ...messages.errors import NotFoundError
from ...messages.live import LiveEvent
from ...messages.queue import QueueCounts, QueuedRun, RunFilter, RunPage, RunState
from . import read_operations as read
from .rows import find
from .sqlite_database import FILE, drive, failure, open_reader, refuse_unfit
from .steps import Steps

__all__ = ["RestingQueue"]

PAGE = 500

T = TypeVar("T")


class RestingQueue:
    """Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Raises NotFoundError when there is none, InputError for a database that cannot be used."""
        self._path = folder / FILE
        if not self._path.is_file():
            raise NotFoundError(f"{folder}: holds no queue: expected {FILE} in it")
        refuse_unfit(self._path)
        self._connection = open_reader(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _do(self, steps: Steps[T]) -> T:
        try:
            return drive(steps, self._connection, time.time)
        except sqlite3.Error as error:
            raise failure(error, self._path) from error

    def queue(self) -> QueueCounts:
        """Runs by state."""
        return self._do(read.counts())

    def runs(
        self,
        *,
        states: Sequence[RunState] | None = None,
        owner: str | None = None,
        experiment: str | None = None,
        text: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> RunPage:
        """A page of runs, newest first."""
        where = RunFilter(
            states=tuple(states) if states else None, owner=owner, experiment_id=experiment, text=text
        )
        return self._do(read.runs(where, cursor, limit))

    def run(self, run_id: str) -> QueuedRun:
        """One run."""
        entry = self._do(find(run_id, lock=""))
        if entry is None:
            raise NotFoundError(f"there is no run {run_id!r}")
        return entry.run

    def stages(self, run_id: str) -> list[StageView]:
        """What is recorded of its stages."""
        return [StageView.of(record) for record in self._do(read.stages(run_id))]

    def logs(self, run_id: str) -> Iterator[LiveEvent]:
        """What has happened to it."""
        self.run(run_id)
        after = 0
        while events := self._do(read.events(after, run_id, PAGE)):
            for event in events:
                yield LiveEvent(
                    run_id=event.run_id, kind=event.kind, at=event.at, seq=event.seq, body=event.body
                )
            after = events[-1].seq
