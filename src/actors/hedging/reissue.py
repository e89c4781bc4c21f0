"""The best single reissue under a budget: SingleR of Kaler, He and Elnikety (SPAA 2017).

Called by the optimal policy. A request that is still open after ``d`` is sent again with probability ``q``.
With X the latency of the first and Y that of the second,

    P(done by t) = F(t) + q (1 - F(t)) G(t - d),        extra load = q (1 - F(d)) <= B,

F the distribution of X and G that of Y where a duplicate is sent. The paper shows that no policy of several
timed, randomised reissues beats one. For a target share ``k`` the scan looks for the (d, q) with the
smallest ``t`` such that P(done by t) >= k: the candidates for d are the observed latencies, q = min(1, B /
(1 - F(d))). What can be done by t can be done by any later one, hence t is found by bisection, each step over
all d at once: O(n log n log n), 0.2 ms for a thousand latencies.

Rejected: delay-only hedging (q = 1, d = the 1 - B quantile), which for k below 1 - B, or a slow class as
large as the budget, may only start when it is nearly too late.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .latency import SurvivalCurve

__all__ = ["Reissue", "Reissues", "done_by"]

_GRID = 256

_SLACK = 0.02
"""How much later than the best t may be for a surer duplicate (a later delay with a larger q): one that is
sent with a small probability does nothing for the tail beyond the target."""


class Reissue(NamedTuple):
    """Send again after ``delay_s`` with ``probability``; then the share ``k`` is done by ``reached_s``."""

    delay_s: float
    probability: float
    reached_s: float
    load: float
    """Expected duplicates per request."""


def done_by(
    seconds: float, delay_s: float, probability: float, first: SurvivalCurve, copy: SurvivalCurve
) -> float:
    """P(done by ``seconds``) under a reissue."""
    open_ = first.longer_than(seconds)
    if seconds < delay_s:
        return 1.0 - open_
    return 1.0 - open_ + probability * open_ * (1.0 - copy.longer_than(seconds - delay_s))


class Reissues:
    """All reissues of a budget, each at one delay, and the best of them for a share."""

    def __init__(self, first: SurvivalCurve, copy: SurvivalCurve, budget: float) -> None:
        """Take the curves as they are.

        Args:
            first: latencies of first requests, at least one.
            copy: latencies of duplicates; ``first`` itself when they are taken to be independent.
            budget: duplicates per request, > 0.
        """
        slower = np.concatenate(([1.0], first.survival))
        self._first = first
        self._times = copy.times
        self._survival = slower if copy is first else np.concatenate(([1.0], copy.survival))
        some = slower > 0.0
        self._delay = np.concatenate(([0.0], first.times))[some]
        self._slower = slower[some]
        self._probability = np.minimum(1.0, budget / self._slower)

    def best(self, share: float) -> Reissue | None:
        """The reissue that brings the ``share`` quantile lowest, ``share`` in (0, 1), for example 0.99.

        Returns:
            None when no reissue brings the quantile below what it is without one.
        """
        longest = self._first.quantile(share)
        shorter = self._first.times[: int(self._first.times.searchsorted(longest))]
        goal = self._earliest(shorter.tolist(), share, longest)
        goal = self._earliest(_between(self._first, goal, longest), share, goal)
        if goal >= longest:  # reached without a reissue
            return None
        best = int(self._reaching(goal, share)[0])
        if self._probability[best] >= 1.0:
            return self._reissue(best, goal)
        slack = goal * (1 + _SLACK)
        later = self._reaching(slack, share)
        later = later[later > best]
        sure = np.flatnonzero(self._probability[later] >= 1.0)
        if sure.size:
            later = later[: sure[0] + 1]
        return self._reissue(int(later[-1]), slack) if later.size else self._reissue(best, goal)

    def _earliest(self, goals: Sequence[float], share: float, otherwise: float) -> float:
        """The first of rising goals that some delay reaches: then some delay reaches all later ones."""
        if not goals or not self._reaching(goals[-1], share).size:
            return otherwise
        hi = len(goals) - 1
        return goals[bisect_left(goals, x=True, hi=hi, key=lambda goal: self._reaching(goal, share).size > 0)]

    def _reaching(self, goal: float, share: float) -> NDArray[np.intp]:
        """Which delays bring the share to ``goal`` or below, in rising order."""
        delay = self._delay[: int(self._delay.searchsorted(goal))]
        copy = self._survival[self._times.searchsorted(goal - delay, side="right")]
        still_open = self._first.longer_than(goal) * (1.0 - self._probability[: delay.size] * (1.0 - copy))
        return np.flatnonzero(still_open <= 1.0 - share + 1e-12)

    def _reissue(self, index: int, goal: float) -> Reissue:
        probability = float(self._probability[index])
        load = probability * float(self._slower[index])
        return Reissue(float(self._delay[index]), probability, goal, load)


def _between(first: SurvivalCurve, goal: float, longest: float) -> list[float]:
    """Further candidates just below an observed one: a sum of delay and latency can fall where none was.

    They are part of a grid of ``_GRID`` equal steps of the logarithm from the shortest to the longest.
    """
    shortest, index = float(first.times[0]), int(first.times.searchsorted(goal))
    if not 0 < shortest < longest or not index:
        return []
    step = math.log(longest / shortest) / _GRID
    begin = math.floor(math.log(first.times[index - 1] / shortest) / step)
    steps = range(max(1, begin), min(_GRID, math.ceil(math.log(goal / shortest) / step) + 1))
    return [each for i in steps if (each := shortest * math.exp(step * i)) < goal]
