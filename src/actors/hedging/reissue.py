"""The best single reissue under a budget: SingleR of Kaler, He and Elnikety (SPAA 2017).

Called by the optimal policy. A request that is still open after ``d`` is sent again with probability ``q``.
With X the latency of the first and Y that of the second,

    P(done by t) = F(t) + q (1 - F(t)) G(t - d),        extra load = q (1 - F(d)) <= B,

F the distribution of X and G that of Y where a duplicate is sent. The paper shows that no policy of several
timed, randomised reissues beats one. For a target share ``k`` the scan looks for the (d, q) with the
smallest ``t`` such that P(done by t) >= k: the candidates for d are the observed latencies, q = min(1, B /
(1 - F(d))). While d grows the best t only falls, hence three pointers that each move one way: O(n) after
the curves.

Rejected: delay-only hedging (q = 1, d = the 1 - B quantile), which for k below 1 - B, or a slow class as
large as the budget, may only start when it is nearly too late.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .latency import SurvivalCurve

__all__ = ["Reissue", "best_reissue", "done_by"]

_GRID = 256
"""Further candidates for t between the shortest and the longest, in equal steps of their logarithm: a sum of
delay and latency can fall where no latency was observed."""

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


def best_reissue(first: SurvivalCurve, copy: SurvivalCurve, budget: float, share: float) -> Reissue | None:
    """The reissue that brings the ``share`` quantile lowest with at most ``budget`` duplicates a request.

    Args:
        first: latencies of first requests, at least one.
        copy: latencies of duplicates; ``first`` itself when they are taken to be independent.
        budget: duplicates per request, > 0.
        share: target share in (0, 1), for example 0.99.

    Returns:
        None when no reissue brings the quantile below what it is without one.
    """
    goals = _goals(first, first.quantile(share))
    at_first = _Falling(first, goals[0])
    at_copy = _Falling(copy, goals[0])
    best: Reissue | None = None
    goal = 1  # goals[0] is reached without a reissue
    for delay, slower in zip([0.0, *first.times], [1.0, *first.survival], strict=True):
        if goal >= len(goals) or delay >= goals[goal] or slower <= 0.0:
            break
        probability = min(1.0, budget / slower)
        while goal < len(goals) and goals[goal] > delay:
            still_open = at_first.longer_than(goals[goal]) * (
                1.0 - probability * (1.0 - at_copy.longer_than(goals[goal] - delay))
            )
            if still_open > 1.0 - share + 1e-12:
                break
            best = Reissue(delay, probability, goals[goal], probability * slower)
            goal += 1
    return best and _surest(first, copy, budget, share, best)


def _surest(first: SurvivalCurve, copy: SurvivalCurve, budget: float, share: float, best: Reissue) -> Reissue:
    """The surest duplicate that still reaches the share within the slack."""
    goal = best.reached_s * (1 + _SLACK)
    at_copy = _Falling(copy, goal)
    open_ = first.longer_than(goal)
    for delay, slower in zip(first.times, first.survival, strict=True):
        if delay >= goal or slower <= 0.0 or best.probability >= 1.0:
            break
        if delay > best.delay_s:
            probability = min(1.0, budget / slower)
            still_open = open_ * (1.0 - probability * (1.0 - at_copy.longer_than(goal - delay)))
            if still_open <= 1.0 - share + 1e-12:
                best = Reissue(delay, probability, goal, probability * slower)
    return best


def _goals(first: SurvivalCurve, longest: float) -> list[float]:
    """Candidates for t in falling order, from the quantile without a reissue down."""
    times = [time for time in first.times if time <= longest]
    shortest = times[0]
    if 0 < shortest < longest:
        step = math.log(longest / shortest) / _GRID
        times += [shortest * math.exp(step * i) for i in range(1, _GRID)]
    return sorted({*times, longest}, reverse=True)


class _Falling:
    """P(latency > t) for arguments that only fall, in O(1) each over all calls."""

    def __init__(self, curve: SurvivalCurve, start: float) -> None:
        self._curve = curve
        self._index = len(curve.times) - 1
        self.longer_than(start)

    def longer_than(self, seconds: float) -> float:
        times = self._curve.times
        while self._index >= 0 and times[self._index] > seconds:
            self._index -= 1
        return 1.0 if self._index < 0 else self._curve.survival[self._index]
