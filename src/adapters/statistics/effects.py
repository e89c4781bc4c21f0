"""How large a difference is, and how large it would have to be to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...messages.findings import EffectSize, Interval
from .intervals import Estimate, student_interval
from .student import t_quantile

__all__ = ["detectable_difference", "standardised_difference"]

STEPS = 100
POWER = 0.8
MISS = 1e-6
"""A root that misses by more is none: some SciPy versions give NaN for extreme noncentralities."""


def standardised_difference(estimate: Estimate, level: float) -> EffectSize:
    """Cohen's d_z: mean difference over the standard deviation of the differences.

    Independent pairs: the interval inverts the noncentral t distribution (Steiger & Fouladi 1997).
    Clusters: the CR1 interval of the mean divided by the standard deviation, which is taken as known.
    """
    name = "d_z"
    if estimate.sd is None or estimate.error is None:
        return EffectSize(name=name, value=None, reason=estimate.reason)
    value = estimate.mean / estimate.sd
    if estimate.clusters is not None:
        mean = student_interval(estimate, level)
        if mean is None:  # unreachable: the error is known
            return EffectSize(name=name, value=value)
        interval = Interval(
            low=mean.low / estimate.sd, high=mean.high / estimate.sd, level=level, method="CR1 interval / sd"
        )
        return EffectSize(name=name, value=value, interval=interval)
    return EffectSize(name=name, value=value, interval=_noncentral_interval(estimate, level))


def _noncentral_interval(estimate: Estimate, level: float) -> Interval | None:
    if estimate.error is None:
        return None
    from scipy.special import nctdtr

    statistic, root = estimate.mean / estimate.error, math.sqrt(estimate.n)

    def falling(probability: float) -> float:
        """The noncentrality at which the observed t is the ``probability`` quantile."""
        width = 40 + 4 * abs(statistic)

        def excess(nc: float) -> float:
            return float(nctdtr(estimate.df, nc, statistic)) - probability

        found = _bisect(excess, statistic - width, statistic + width)
        return found if abs(excess(found)) < MISS else math.nan

    low, high = falling((1 + level) / 2) / root, falling((1 - level) / 2) / root
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Interval(low=low, high=high, level=level, method="noncentral t")


def detectable_difference(estimate: Estimate, alpha: float) -> float | None:
    """The true difference that a two-sided t test at ``alpha`` finds with power .8, given this spread."""
    if estimate.error is None:
        return None
    from scipy.special import nctdtr

    df, critical = estimate.df, t_quantile(1 - alpha / 2, estimate.df)

    def shortfall(nc: float) -> float:
        missed = float(nctdtr(df, nc, critical)) - float(nctdtr(df, nc, -critical))
        return missed - (1 - POWER)

    return _bisect(shortfall, 0.0, 10 * critical + 10) * estimate.error


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a falling function between ``low`` and ``high``."""
    for _ in range(STEPS):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
