"""How large a difference is, and how large it would have to be to be seen."""

from __future__ import annotations

import math

from ...messages.findings import EffectSize, Interval
from .intervals import Estimate, student_interval
from .noncentral import bisect, t_limits
from .student import t_quantile

__all__ = ["detectable_at", "detectable_difference", "standardised_difference", "units_needed"]

POWER = 0.8


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
    limits = t_limits(estimate.mean / estimate.error, estimate.df, level)
    if limits is None:
        return None
    root = math.sqrt(estimate.n)
    return Interval(low=limits[0] / root, high=limits[1] / root, level=level, method="noncentral t")


def detectable_difference(estimate: Estimate, alpha: float) -> float | None:
    """The true difference that a two-sided t test at ``alpha`` finds with power .8, given this spread."""
    if estimate.error is None:
        return None
    return _reach(estimate.df, alpha) * estimate.error


def detectable_at(detectable: float, units: int, other: int, alpha: float) -> float | None:
    """What ``other`` units of the same spread could show, if ``units`` can show ``detectable``.

    The standard error goes with the root of the number of units (pairs, or clusters); None below two.
    """
    if min(units, other) < 2:
        return None
    error = detectable / _reach(units - 1, alpha)
    return _reach(other - 1, alpha) * error * math.sqrt(units / other)


def _reach(df: float, alpha: float) -> float:
    """Standard errors that the true difference must lie from zero to be found with power .8."""
    from scipy.special import nctdtr

    critical = t_quantile(1 - alpha / 2, df)

    def shortfall(nc: float) -> float:
        missed = float(nctdtr(df, nc, critical)) - float(nctdtr(df, nc, -critical))
        return missed - (1 - POWER)

    return bisect(shortfall, 0.0, 10 * critical + 10)


def units_needed(estimate: Estimate, alpha: float) -> int | None:
    """Pairs (or clusters) like these that would show a difference of the observed size with power .8."""
    if estimate.error is None or estimate.mean == 0.0:
        return None
    from .power import Design, power_analysis

    units = estimate.n if estimate.clusters is None else estimate.clusters
    effect = abs(estimate.mean) / (estimate.error * math.sqrt(units))
    return power_analysis(Design(kind="paired_t", alpha=alpha), effect=effect, power=POWER).n_whole
