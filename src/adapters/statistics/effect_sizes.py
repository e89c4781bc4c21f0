"""Standardised differences of means: Cohen's d, Hedges' g, Glass's Delta, d_z, each with an interval.

d divides by the pooled standard deviation (weighted by degrees of freedom); its interval inverts the
noncentral t (Steiger & Fouladi 1997) and is exact for normal samples of equal variance. g is d and its
interval times the exact correction Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)) (Hedges 1981). Delta divides by
the standard deviation of the control; its noncentral t has the control's degrees of freedom, and the ratio
of the variances is taken as observed. d_z divides the mean difference by the deviation of the differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from ...messages.findings import Interval
from .answers import Figure, UnfitError, columns, figured, is_constant, paired_columns, probability
from .noncentral import t_limits
from .t_tests import paired_error, pooled_error

__all__ = ["cohens_d", "d_z", "glass_delta", "hedges_g"]


@figured("cohens_d")
def cohens_d(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> Figure:
    """Difference of two independent means over the pooled standard deviation."""
    x, y = columns(first, second, least=1)
    error, df = pooled_error(x, y)
    scale = math.sqrt(1 / len(x) + 1 / len(y))
    t = float(x.mean() - y.mean()) / error
    return _figure("cohens_d", t, scale, df, len(x) + len(y), level)


@figured("hedges_g")
def hedges_g(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> Figure:
    """Cohen's d without its bias in small samples."""
    found = cohens_d(first, second, level=level)
    if found.value is None:
        raise UnfitError(found.status, found.reason or "")
    m = found.n - 2
    if m < 2:
        raise UnfitError("too_few", f"the correction of {found.n} values is not defined, 4 are needed")
    factor = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    interval = found.interval
    if interval is not None:
        low, high = factor * interval.low, factor * interval.high
        interval = msgspec.structs.replace(interval, low=low, high=high)
    return msgspec.structs.replace(found, name="hedges_g", value=factor * found.value, interval=interval)


@figured("glass_delta")
def glass_delta(first: Sequence[float], control: Sequence[float], *, level: float = 0.95) -> Figure:
    """Difference of two independent means over the standard deviation of the control."""
    x, y = columns(first, control)
    if is_constant(y):
        raise UnfitError("constant", "the control is constant: there is no unit to measure in")
    spread = float(y.std(ddof=1))
    scale = math.sqrt(float(x.var(ddof=1)) / spread**2 / len(x) + 1 / len(y))
    t = float(x.mean() - y.mean()) / spread / scale
    return _figure("glass_delta", t, scale, len(y) - 1, len(x) + len(y), level)


@figured("d_z")
def d_z(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> Figure:
    """Mean of the differences of pairs over their standard deviation."""
    x, y = paired_columns(first, second)
    mean, error, df = paired_error(x, y)
    return _figure("d_z", mean / error, 1 / math.sqrt(len(x)), df, len(x), level)


def _figure(name: str, t: float, scale: float, df: float, n: int, level: float) -> Figure:
    limits = t_limits(t, df, probability(level, "the level"))
    interval = None
    if limits is not None:
        low, high = limits[0] * scale, limits[1] * scale
        interval = Interval(low=low, high=high, level=level, method="noncentral t")
    return Figure(
        name=name,
        value=t * scale,
        n=n,
        interval=interval,
        notes="" if interval else "no interval: the noncentral t has no limits this far out",
    )
