"""Turns hedging down where the server's load makes duplicates harmful.

Called through the pool: ``Guarded`` is a policy around the policy of one backend and one size class. A
duplicate is load. On a busy server it may mend stragglers and even shorten the queue, if the server drops the
loser; if the server works on for nobody it lengthens the queue for all. From outside the two look alike.

The server counts as busy when the median of the last ``RECENT`` races is ``LOADED`` times the lowest median
of a block of the last 5,000, and for ``HOLD`` races after that, since a queue that was long is soon long
again (false alarms: one in 200 races at a steady lognormal latency with sigma 1, none with 0.5). Then no
duplicates are sent. A level that lasts for 5,000 races is the new normal.

If the server stays busy for ``REST`` races the burden of proof is on the duplicates, since it may just be
slower than it was: ``PAIRS`` pairs of periods, one with duplicates and one without, in an order drawn by a
coin (a switchback experiment). Hedging goes on only if the mean latency is lower with it by ``SURE`` standard
errors of the paired differences; undecided counts as harmful. The verdict holds for ``REST`` races, or until
the server is no longer busy. A trial that found no help makes wary until one does: busy is then
``WARY_LOADED`` times the lowest median, and the next trial is twice as far away.

The first races of a period are left out, since the queue of the period before is still there. A busy queue
remembers for much longer than that; hence periods alone cannot show the harm (simulated at 95 % of capacity
their differences centre on nothing, with and without harm), and hence they do not decide while the server is
not busy. Rejected: trials at all times (each leaves stragglers alone for nothing), latching on the latency of
the moment (a queue that is short for a moment fills up again), the median as the measure of the trial
(duplicates are for the tail).
"""

from __future__ import annotations

import math
import random
import statistics
from collections import deque

from .plan import HedgePlan, HedgePolicy, Race, RequestFeatures

__all__ = ["Guarded", "LoadGuard"]

RECENT, LOOK = 150, 10
BLOCK, BLOCKS = 300, 16
LOADED = 1.75
HOLD = 1_000
WARY_LOADED = 1.4
PERIOD, WASHOUT, PAIRS = 100, 30, 6
SURE = 1.5
REST = 3_000


class LoadGuard:
    """Whether duplicates may be sent, from the latencies of races in the order they ended."""

    def __init__(self, seed: int) -> None:
        self._load = _Load()
        self._rng = random.Random(seed)
        self._helps = False
        """The verdict of the last trial, while it holds."""
        self._pause = self._rest = REST
        """Races between trials, and those that are left until the next."""
        self._trial: _Trial | None = None

    @property
    def allows(self) -> bool:
        """Whether duplicates may be sent now."""
        if not self._load.busy:
            return True
        return self._helps if self._trial is None else self._trial.sends

    @property
    def reason(self) -> str:
        """Why not."""
        return f"no duplicate while the server is busy: {self._load.told}"

    def observe(self, latency_s: float) -> None:
        """A race was answered after so long."""
        self._load.observe(latency_s)
        if not self._load.busy:
            self._helps, self._rest, self._trial = False, self._pause, None
        elif self._trial is None:
            self._rest -= 1
            if self._rest <= 0:
                self._trial = _Trial(self._rng)
        elif self._trial.observe(latency_s):
            self._helps, self._trial = self._trial.helps(), None
            self._load.wary = not self._helps
            self._pause = self._rest = REST if self._helps else 2 * self._pause


class _Load:
    """Whether the server is busy, by the typical latency of late against the lowest."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._block: list[float] = []
        self._levels: deque[float] = deque(maxlen=BLOCKS)
        self.wary = False
        self.told = ""
        """How it was seen last."""
        self._until_look = LOOK
        self._busy_for = 0

    @property
    def busy(self) -> bool:
        return self._busy_for > 0

    def observe(self, latency_s: float) -> None:
        self._recent.append(latency_s)
        self._block.append(latency_s)
        if len(self._block) == BLOCK:
            self._levels.append(statistics.median(self._block))
            self._block = []
        self._busy_for -= 1
        self._until_look -= 1
        if self._until_look <= 0 and self._levels:
            self._until_look = LOOK
            typical, lowest = statistics.median(self._recent), min(self._levels)
            if typical >= (WARY_LOADED if self.wary else LOADED) * lowest:
                self._busy_for = HOLD
            self.told = f"typical latency {typical * 1000:.4g} ms, was {lowest * 1000:.4g} ms"


class _Trial:
    """Pairs of periods with duplicates and without."""

    def __init__(self, rng: random.Random) -> None:
        firsts = [rng.random() < 0.5 for _ in range(PAIRS)]
        self._sends = [sends for first in firsts for sends in (first, not first)]
        self._means: list[float] = []
        self._period: list[float] = []

    @property
    def sends(self) -> bool:
        """Whether this period has duplicates."""
        return self._sends[len(self._means)]

    def observe(self, latency_s: float) -> bool:
        """True when the trial is over."""
        self._period.append(latency_s)
        if len(self._period) == PERIOD:
            self._means.append(statistics.fmean(self._period[WASHOUT:]))
            self._period = []
        return len(self._means) == len(self._sends)

    def helps(self) -> bool:
        """Whether the mean latency was surely lower with duplicates."""
        signed = [-mean if sends else mean for mean, sends in zip(self._means, self._sends, strict=True)]
        saved = [one + other for one, other in zip(signed[::2], signed[1::2], strict=True)]
        return statistics.fmean(saved) > SURE * statistics.stdev(saved) / math.sqrt(len(saved))


class Guarded:
    """A policy whose duplicates are sent only while the guard allows them."""

    def __init__(self, policy: HedgePolicy, seed: int) -> None:
        self._policy = policy
        self._guard = LoadGuard(seed)

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The policy's plan, or none."""
        if self._guard.allows:
            return self._policy.plan(now, features)
        return HedgePlan(delay_s=None, probability=0.0, reason=self._guard.reason)

    def observe(self, race: Race) -> None:
        """For both."""
        self._policy.observe(race)
        if race.winner is not None:
            self._guard.observe(race.total_s)
