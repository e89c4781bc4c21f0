"""The distribution of latencies when slow requests are cancelled.

Called by the percentile and the optimal policy. A request that lost its race was cancelled: its latency is
known only to be longer than what was seen, it is right-censored. The estimate is that of Kaplan and Meier
(1958) over a sliding window, with Efron's (1967) convention beyond the last answer: the largest value ends
the distribution. Rejected: recording the winner's time instead (drifts low, and hedging runs away), and
dropping cancelled requests (keeps the fast ones only).

Kaplan-Meier needs censoring that does not depend on what the latency would have been. A duplicate that is
slow when the first was slow breaks this; then the caller enters a cancelled first as censored at the moment
of the duplicate's start, and the requests that are never cancelled (``plan.is_control``) carry the tail.

A change of regime is looked for after every ``BLOCK`` values: around the older values' median and their 90 %
quantile, ``MARGIN`` above and below. When the share of the block above such a border differs from what the
older values say by more than ``CHANGE_Z`` standard deviations, and by a tenth of the block, the older values
are forgotten. The margin keeps a server of steady latency, whose slightest shift is significant, from being
forgotten again and again: small shifts are left to the window.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "CHANGE_Z", "MARGIN", "LatencyWindow", "SurvivalCurve", "kaplan_meier"]

Floats = npt.NDArray[np.float64]

BLOCK = 50
"""Values that are compared with all older ones; there must be at least twice as many older ones."""

MARGIN = 1.25

CHANGE_Z = 5.0
"""Standard deviations: no false alarm in 2,400 blocks of a lognormal with sigma 1."""

_REFRESH = 64  # a curve may lag by this many values, or by 1/16 of them when there are fewer


class SurvivalCurve:
    """A step function: ``survival[i]`` is the probability of taking longer than ``times[i]`` seconds."""

    __slots__ = ("known", "survival", "times")

    def __init__(
        self, times: Sequence[float] | Floats, survival: Sequence[float] | Floats, known: float = 1.0
    ) -> None:
        """``known``: the share whose latency was seen; of the rest only that it is no shorter."""
        self.times: Floats = np.asarray(times, dtype=np.float64)
        self.survival: Floats = np.asarray(survival, dtype=np.float64)
        self.known = known

    def longer_than(self, seconds: float) -> float:
        """P(latency > seconds)."""
        index = int(self.times.searchsorted(seconds, side="right")) - 1
        return 1.0 if index < 0 else float(self.survival[index])

    def quantile(self, share: float) -> float:
        """The shortest time by which at least ``share`` (in [0, 1]) are done. Needs at least one value."""
        limit = 1.0 - share + 1e-12
        index = int((-self.survival).searchsorted(-limit))
        return float(self.times[min(index, len(self.times) - 1)])


def kaplan_meier(values: Iterable[tuple[float, bool]]) -> SurvivalCurve:
    """The curve of (latency, censored) pairs; the largest value ends it (Efron 1967)."""
    pairs = list(values)
    times = np.array([time for time, _ in pairs], dtype=np.float64)
    censored = np.array([censored for _, censored in pairs], dtype=np.bool_)
    order = np.lexsort((censored, times))
    return _of_sorted(times[order], censored[order])


def _of_sorted(values: Floats, censored: npt.NDArray[np.bool_]) -> SurvivalCurve:
    count = len(values)
    if not count:
        return SurvivalCurve((), ())
    begins = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    events = np.add.reduceat(~censored, begins, dtype=np.int64)
    alive = np.cumprod(1.0 - events / (count - begins))
    known, some = 1.0 - float(alive[-1]), events > 0
    times, survival = values[begins[some]], alive[some]
    if not some[-1]:
        times, survival = np.append(times, values[-1]), np.append(survival, 0.0)
    survival[-1] = 0.0
    return SurvivalCurve(times, survival, known)


class LatencyWindow:
    """The last ``size`` latencies, censored or not, and their distribution."""

    def __init__(self, size: int = 1_000) -> None:
        if size < 1:
            raise ValueError(f"window size: expected at least 1, got {size}")
        self._values: deque[tuple[float, bool]] = deque(maxlen=size)
        self._sorted, self._censored = array("d"), bytearray()
        self._curve: SurvivalCurve | None = None
        self._stale = 0
        self._since_check = 0
        self._older: tuple[SurvivalCurve, int] | None = None
        self._since_older = 0
        self.changes = 0
        """How often a change of regime was found."""

    def __len__(self) -> int:
        return len(self._values)

    def observe(self, latency_s: float, *, censored: bool = False) -> None:
        """Enter a latency; ``censored`` when the request would have taken longer than this."""
        if not (latency_s >= 0 and math.isfinite(latency_s)):
            raise ValueError(f"latency: expected a finite number >= 0, got {latency_s!r}")
        if len(self._values) == self._values.maxlen:
            oldest, cut = self._values[0]
            place = bisect_right(self._sorted, oldest) - 1 if cut else bisect_left(self._sorted, oldest)
            del self._sorted[place], self._censored[place]
        self._values.append((latency_s, censored))
        place = (bisect_right if censored else bisect_left)(self._sorted, latency_s)  # cut ones come last
        self._sorted.insert(place, latency_s)
        self._censored.insert(place, censored)
        self._stale += 1
        self._since_check += 1
        if self._since_check >= BLOCK:
            self._since_check = 0
            self._forget_old_regime()

    def curve(self) -> SurvivalCurve:
        """The distribution; it may lag by a sixteenth of the values, at most by 64."""
        if self._curve is None or self._stale > min(_REFRESH, len(self._values) // 16):
            times, censored = np.array(self._sorted), np.array(self._censored, dtype=np.bool_)
            self._curve = _of_sorted(times, censored)
            self._stale = 0
        return self._curve

    def quantile(self, share: float) -> float | None:
        """See ``SurvivalCurve.quantile``; None without a value."""
        return self.curve().quantile(share) if self._values else None

    def _forget_old_regime(self) -> None:
        values = list(self._values)
        old, new = values[:-BLOCK], values[-BLOCK:]
        if len(old) < 2 * BLOCK:
            return
        self._since_older += BLOCK
        if self._older is None or self._since_older > len(old) // 10:  # else the last one still stands
            self._older = kaplan_meier(old), len(old)
            self._since_older = 0
        if _differs(*self._older, new):
            self.changes += 1
            self._values.clear()
            self._values.extend(new)
            ordered = sorted(new)
            self._sorted = array("d", (time for time, _ in ordered))
            self._censored = bytearray(censored for _, censored in ordered)
            self._curve = self._older = None


def _differs(curve: SurvivalCurve, older: int, new: list[tuple[float, bool]]) -> bool:
    borders = (curve.quantile(share) * factor for share in (0.5, 0.9) for factor in (1 / MARGIN, MARGIN))
    for border in borders:
        known = [value for value, censored in new if value > border or not censored]
        count = len(known)
        expected = min(max(curve.longer_than(border), 1 / older), 1 - 1 / older)
        above = sum(value > border for value in known)
        variance = expected * (1 - expected) * (count + count * count / older)
        if abs(above - count * expected) > max(CHANGE_Z * math.sqrt(variance), count / 10):
            return True
    return False
