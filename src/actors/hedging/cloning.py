"""Free-slot cloning: which open request gets a duplicate when slots are free at the end of a batch.

Called by the pool as races come and go, and through the hedging actor while slots are free. A batch is over
when its last request is, so the slots that have nothing left to do clone the requests that run longest (Wang,
Joshi and Wornell, *Using Straggler Replication to Reduce Latency in Large-Scale Parallel Computing*, 2015).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["OpenRaces"]

WINDOW = 512
QUANTILE = 0.9
PAUSE_S = 0.05


class _Open:
    __slots__ = ("clone", "started", "told")

    def __init__(self, started: float, clone: Callable[[], bool]) -> None:
        self.started = started
        self.clone: Callable[[], bool] | None = clone
        self.told = False


class OpenRaces:
    """The races of one system that are under way."""

    def __init__(self) -> None:
        self._races: dict[str, _Open] = {}
        self._answers: deque[float] = deque(maxlen=WINDOW)
        self.clones = 0
        """Under way."""

    def enter(self, key: str, now: float, clone: Callable[[], bool]) -> None:
        """A race, or another round of it, begins; ``clone`` makes it send a duplicate, if it still can."""
        self._races[key] = _Open(now, clone)

    def left(self, key: str) -> None:
        """It is over."""
        self._races.pop(key, None)

    def answered(self, latency_s: float) -> None:
        """After so long."""
        self._answers.append(latency_s)

    def asked_for(self, key: str) -> None:
        """A race that was told to send a clone wants to."""
        if key in self._races:
            self._races[key].told = False

    def clone_oldest(self, now: float, free: int) -> float | None:
        """The oldest race that has no clone yet, once it has run longer than most answers took.

        0 when one was told to, None when there is none, else the seconds until the next try: as many clones
        run as slots are free, or the oldest has not run for long enough.
        """
        waiting = [each for each in self._races.values() if each.clone is not None]
        if not waiting:
            return None
        if self.clones + sum(each.told for each in self._races.values()) >= free:
            return PAUSE_S
        oldest = min(waiting, key=lambda each: each.started)
        usual = self._usual()
        if now - oldest.started < usual:
            return max(usual - (now - oldest.started), PAUSE_S)
        clone, oldest.clone, oldest.told = oldest.clone, None, True
        if clone is not None and not clone():  # its answer is coming
            oldest.told = False
        return 0.0

    def _usual(self) -> float:
        """How long most answers took; 0 before there is one."""
        known = sorted(self._answers)
        return known[int(QUANTILE * (len(known) - 1))] if known else 0.0
