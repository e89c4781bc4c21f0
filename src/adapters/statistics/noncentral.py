"""Limits of a noncentrality parameter: inverts the noncentral t and F (Steiger & Fouladi 1997, Steiger 2004).

The distributions are SciPy's; the roots are found by bisection to the last bit. No limits are given where
SciPy gives NaN, as some of its versions do for extreme noncentralities.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["bisect", "f_limits", "t_limits"]

STEPS = 100
MISS = 1e-6
"""A root that misses by more is none."""


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a falling function between ``low`` and ``high``."""
    for _ in range(STEPS):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_limits(statistic: float, df: float, level: float) -> tuple[float, float] | None:
    """The noncentralities at which ``statistic`` is the upper and the lower quantile of t."""
    from scipy.special import nctdtr

    width = 40 + 4 * abs(statistic)

    def at(probability: float) -> float:
        def excess(nc: float) -> float:
            return float(nctdtr(df, nc, statistic)) - probability

        found = bisect(excess, statistic - width, statistic + width)
        return found if abs(excess(found)) < MISS else math.nan

    low, high = at((1 + level) / 2), at((1 - level) / 2)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def f_limits(statistic: float, df1: float, df2: float, level: float) -> tuple[float, float] | None:
    """The same for F, whose noncentrality is never negative: a limit that would be is 0."""
    from scipy.special import ncfdtr

    def at(probability: float) -> float:
        def excess(nc: float) -> float:
            return float(ncfdtr(df1, df2, nc, statistic)) - probability

        if excess(0.0) <= 0:
            return 0.0
        top = 10.0
        while excess(top) > 0 and top < 1e9:
            top *= 2
        found = bisect(excess, 0.0, top)
        return found if abs(excess(found)) < MISS else math.nan

    low, high = at((1 + level) / 2), at((1 - level) / 2)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
