"""What the samples of a run come to so far: running means of scores, and counts of races and votes.

The file of a run under way is read on from where the last look ended, so that a page that is refreshed every
second costs what is new. Blocking and safe in threads; the last few runs are kept.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from ....messages.flow import LossPoint

__all__ = ["CurveShelf", "Standing", "loss_points"]

T = TypeVar("T")
FINISHED, PARTIAL = "samples.jsonl", "samples.jsonl.partial"
MOST_POINTS = 128
LOOK_BYTES = 16 << 20
"""Of a long file one look takes at most that much; the next one goes on."""


class _Race(msgspec.Struct):
    hedged: bool = False
    winner: str | None = None
    duplicates: int = 0
    cancelled: int = 0


class _Ballots(msgspec.Struct):
    status: str = ""
    agreement: float | None = None


class _Output(msgspec.Struct):
    error: str | None = None
    latency_s: float = 0.0
    race: _Race | None = None
    ballots: _Ballots | None = None


class _Line(msgspec.Struct):
    outputs: dict[str, _Output] = {}
    scores: dict[str, dict[str, float | None]] = {}


_DECODER = msgspec.json.Decoder(_Line)


@dataclass
class _Mean:
    """A running mean, with as many of its past values as a chart can show."""

    n: int = 0
    total: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)
    stride: int = 1

    def add(self, value: float, row: int) -> None:
        self.n += 1
        self.total += value
        if self.n % self.stride == 0:
            self.points.append((float(row), self.total / self.n))
            if len(self.points) >= 2 * MOST_POINTS:
                self.points = self.points[1::2]
                self.stride *= 2

    def drawn(self, row: int) -> list[tuple[float, float]]:
        """The points, the mean as it stands last."""
        now = (float(row), self.total / self.n)
        return self.points if self.points and self.points[-1] == now else [*self.points, now]


@dataclass
class Standing:
    """What was read so far."""

    rows: int = 0
    means: dict[tuple[str, str], _Mean] = field(default_factory=dict)
    """By metric and system."""
    requests: int = 0
    failed: int = 0
    raced: int = 0
    hedged: int = 0
    duplicates: int = 0
    won_by_duplicate: int = 0
    cancelled: int = 0
    votes: int = 0
    undecided: int = 0
    agreement: _Mean = field(default_factory=_Mean)

    def add(self, line: _Line) -> None:
        """Take a sample in."""
        self.rows += 1
        for system, scores in line.scores.items():
            for metric, value in scores.items():
                if value is not None:
                    self.means.setdefault((metric, system), _Mean()).add(value, self.rows)
        for output in line.outputs.values():
            self.requests += 1
            self.failed += output.error is not None
            if output.race is not None:
                self._add_race(output.race)
            if output.ballots is not None:
                self.votes += 1
                self.undecided += output.ballots.status != "decided"
                if output.ballots.agreement is not None:
                    self.agreement.add(output.ballots.agreement, self.rows)

    def _add_race(self, race: _Race) -> None:
        self.raced += 1
        self.hedged += race.hedged
        self.duplicates += race.duplicates
        self.cancelled += race.cancelled
        self.won_by_duplicate += race.winner in ("hedge", "clone", "backup", "tier")

    def series(self, metric: str) -> dict[str, list[tuple[float, float]]]:
        """Running means of a metric by system."""
        return {
            system: mean.drawn(self.rows) for (name, system), mean in self.means.items() if name == metric
        }

    def metrics(self) -> list[str]:
        """Names in order of appearance."""
        return list(dict.fromkeys(metric for metric, _ in self.means))


@dataclass
class _Reading:
    inode: int
    offset: int = 0
    standing: Standing = field(default_factory=Standing)
    lock: threading.Lock = field(default_factory=threading.Lock)


class CurveShelf:
    """Standings of the runs that were looked at last."""

    def __init__(self, *, keep: int = 16) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._readings: OrderedDict[Path, _Reading] = OrderedDict()

    def look(self, folder: Path, make: Callable[[Standing], T]) -> T | None:
        """Read on, and make something of it while nobody else does; None for a run without samples."""
        for name in (FINISHED, PARTIAL):
            try:
                descriptor = os.open(
                    folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                )
            except OSError:
                continue
            with os.fdopen(descriptor, "rb") as file:
                reading = self._reading(folder, os.fstat(descriptor).st_ino)
                with reading.lock:
                    file.seek(reading.offset)
                    _take(reading, file.read(LOOK_BYTES))
                    return make(reading.standing)
        return None

    def _reading(self, folder: Path, inode: int) -> _Reading:
        with self._lock:
            reading = self._readings.get(folder)
            if reading is None or reading.inode != inode:
                reading = self._readings[folder] = _Reading(inode)
            self._readings.move_to_end(folder)
            while len(self._readings) > self._keep:
                self._readings.popitem(last=False)
            return reading


def _take(reading: _Reading, taken: bytes) -> None:
    whole = taken.rfind(b"\n") + 1
    for line in taken[:whole].splitlines():
        try:
            reading.standing.add(_DECODER.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # the sample browser says what is wrong with it
    reading.offset += whole


class _Losses(msgspec.Struct):
    losses: tuple[LossPoint, ...] = ()


_LOSSES = msgspec.json.Decoder(_Losses)


def loss_points(folder: Path) -> tuple[LossPoint, ...]:
    """Losses of a run's training up to its last checkpoint; none without one. Blocking."""
    try:
        content = (folder / "checkpoints" / "training.json").read_bytes()
        return _LOSSES.decode(content).losses
    except (OSError, msgspec.MsgspecError):
        return ()
