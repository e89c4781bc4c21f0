"""Limits of a noncentrality parameter: inverts the noncentral t and F (Steiger & Fouladi 1997, Steiger 2004).

The distributions are SciPy's; the roots are found by bisection to the last bit. No limits are given where
SciPy gives NaN and the tail is not far out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["bisect", "f_below", "f_limits", "t_below", "t_limits"]

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


FAR = 5.0
"""Standard deviations beyond which a tail that SciPy cannot compute is taken for 0."""


def t_below(df: float, nc: float, t: float) -> float:
    """P(T < t) of the noncentral t; NaN only where SciPy fails near the middle.

    SciPy 1.17 gives NaN for some tails below about 1e-9.
    """
    from scipy.special import nctdtr

    found = float(nctdtr(df, nc, t))
    if math.isnan(found) and abs(t - nc) > FAR * math.sqrt(1 + t * t / (2 * df)):
        return 0.0 if t < nc else 1.0
    return found


def f_below(df1: float, df2: float, nc: float, f: float) -> float:
    """P(F < f) of the noncentral F, in the same way."""
    from scipy.special import ncfdtr

    found = float(ncfdtr(df1, df2, nc, f))
    if math.isnan(found):
        centre = (df1 + nc) / df1
        spread = math.sqrt(2 * (df1 + 2 * nc) / df1**2 + 2 * centre**2 / df2)
        if abs(f - centre) > FAR * spread:
            return 0.0 if f < centre else 1.0
    return found


def t_limits(statistic: float, df: float, level: float) -> tuple[float, float] | None:
    """The noncentralities at which ``statistic`` is the upper and the lower quantile of t."""
    width = 40 + 4 * abs(statistic)

    def at(probability: float) -> float:
        def excess(nc: float) -> float:
            return t_below(df, nc, statistic) - probability

        found = bisect(excess, statistic - width, statistic + width)
        return found if abs(excess(found)) < MISS else math.nan

    low, high = at((1 + level) / 2), at((1 - level) / 2)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def f_limits(statistic: float, df1: float, df2: float, level: float) -> tuple[float, float] | None:
    """The same for F, whose noncentrality is never negative: a limit that would be is 0."""

    def at(probability: float) -> float:
        def excess(nc: float) -> float:
            return f_below(df1, df2, nc, statistic) - probability

        if excess(0.0) <= 0:
            return 0.0
        top = 10.0
        while excess(top) > 0 and top < 1e9:
            top *= 2
        found = bisect(excess, 0.0, top)
        return found if abs(excess(found)) < MISS else math.nan

    low, high = at((1 + level) / 2), at((1 - level) / 2)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
