"""Mean of scores with its standard error, and the intervals made from them.

Called for every metric of every system, so it works with the standard library alone. Sources: Wilson
(1927) for rates; Miller (2024), "Adding Error Bars to Evals", for clustered evaluations; Cameron & Miller
(2015), "A Practitioner's Guide to Cluster-Robust Inference", for CR1 with t(C - 1); Hall (1992), "On the
Removal of Skewness by Transformation", for the correction of skewed means, and Cochran (1977), section 2.15,
for when a mean needs it. Rejected: the normal interval for 0/1 scores, which covers far too seldom near 0
and 1. Intervals of 0/1 scores in clusters are in ``rates``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from ...messages.base import Message
from ...messages.findings import Interval
from .student import t_quantile

__all__ = [
    "Estimate",
    "cut_below",
    "cut_to_unit",
    "estimate_mean",
    "is_binary",
    "mean_interval",
    "student_interval",
    "wilson_interval",
    "wilson_limits",
]

NO_SPREAD = 1e-12
"""A standard error below this share of the largest score is rounding noise, not spread."""

COCHRAN = 25.0
"""A mean of n values is near enough to normal for a 95 % interval when n > 25 skewness^2 (Cochran 1977)."""

FEW = 8
"""With fewer scores or clusters their skewness cannot be judged."""


class Estimate(Message, frozen=True):
    """A mean and how well it is known; ``error`` is None with a ``reason`` when the data cannot tell."""

    n: int
    mean: float
    sd: float | None
    """Standard deviation of the scores with n - 1; None for one score."""
    error: float | None
    """Standard error of the mean: sd / sqrt(n), or CR1 over clusters."""
    df: int
    clusters: int | None
    """Number of clusters, None when the scores count as independent."""
    reason: str | None = None
    skewness: float = 0.0
    """Of the scores, or of the sums of residuals of the clusters; 0 without spread."""
    alike: float = 0.0
    """The sample size that is left if all scores of a cluster are the same: n^2 / sum of squared sizes."""

    @property
    def units(self) -> int:
        """What varies independently: clusters, or scores without them."""
        return self.n if self.clusters is None else self.clusters

    @property
    def method(self) -> str:
        """Name of the interval that this estimate leads to."""
        if self.clusters is None:
            return f"t({self.df})"
        return f"CR1 over {self.clusters} clusters, t({self.df})"


def estimate_mean(values: Sequence[float], clusters: Sequence[int] | None) -> Estimate:
    """Mean and standard error of at least one finite value; ``clusters`` gives the cluster of each.

    CR1 for a mean: the variance is C/(C - 1) * sum over clusters of (sum of residuals)^2 / n^2. Clusters
    that all have one member are the same as none, and give the same figure.
    """
    n = len(values)
    mean = math.fsum(values) / n
    residuals = [value - mean for value in values]
    squares = math.fsum(residual * residual for residual in residuals)
    sd = math.sqrt(squares / (n - 1)) if n > 1 else None
    members = None if clusters is None else _members(residuals, clusters)
    alike = float(n)
    if members is None:
        count, df = None, n - 1
        error = None if sd is None else sd / math.sqrt(n)
    else:
        count, df = len(members), len(members) - 1
        residuals = [math.fsum(member) for member in members]
        squares = math.fsum(total * total for total in residuals)
        error = math.sqrt(count / df * squares) / n if df else None
        alike = n * n / sum(len(member) ** 2 for member in members)
    reason = _degenerate(n, count, sd, error, max(abs(min(values)), abs(max(values))))
    return Estimate(
        n=n,
        mean=mean,
        sd=sd,
        error=None if reason else error,
        df=df,
        clusters=count,
        reason=reason,
        skewness=0.0 if reason else _skewness(residuals, squares),
        alike=alike,
    )


def _members(residuals: Sequence[float], clusters: Sequence[int]) -> list[list[float]] | None:
    """The residuals of each cluster; None when every cluster has one member."""
    members: dict[int, list[float]] = {}
    for cluster, residual in zip(clusters, residuals, strict=True):
        members.setdefault(cluster, []).append(residual)
    return None if len(members) == len(residuals) else list(members.values())


def _skewness(residuals: Sequence[float], squares: float) -> float:
    """Third moment over the second to the power of 3/2; residuals have mean 0."""
    scale = math.sqrt(squares / len(residuals))
    return math.fsum((residual / scale) ** 3 for residual in residuals) / len(residuals)


def _degenerate(
    n: int, clusters: int | None, sd: float | None, error: float | None, scale: float
) -> str | None:
    if error is None:
        return "one value has no spread" if n == 1 else "all values are in one cluster"
    if sd is not None and sd <= NO_SPREAD * scale:
        return f"all {n} values are equal"
    if error <= NO_SPREAD * scale:
        return f"all {clusters} clusters agree exactly"
    return None


def is_binary(values: Sequence[float]) -> bool:
    """Whether every value is 0 or 1."""
    return all(value in (0.0, 1.0) for value in values)


def student_interval(estimate: Estimate, level: float) -> Interval | None:
    """Limits mean -+ t * error; None where the error is not known."""
    if estimate.error is None:
        return None
    half = t_quantile((1 + level) / 2, estimate.df) * estimate.error
    return Interval(low=estimate.mean - half, high=estimate.mean + half, level=level, method=estimate.method)


def mean_interval(estimate: Estimate, level: float, *, unit: bool = False) -> Interval | None:
    """Student's interval, corrected for skewness where Cochran's rule says that the mean needs it.

    Hall's transformation of t is monotone and has a closed inverse; without skewness it changes nothing. With
    few scores it overshoots: for those in [0, 1] (``unit``), which vary at most as much as a rate of the same
    mean, the corrected limits are held within Wilson's for such a rate.
    """
    units, skewness = estimate.units, estimate.skewness
    if estimate.error is None or units < FEW or units > COCHRAN * skewness**2:
        interval = student_interval(estimate, level)
        return cut_to_unit(interval) if unit else interval
    t = t_quantile((1 + level) / 2, estimate.df)
    low = estimate.mean - _hall(t, skewness, units) * estimate.error
    high = estimate.mean - _hall(-t, skewness, units) * estimate.error
    if unit:
        rate = estimate.mean
        size = max(estimate.alike, min(float(estimate.n), rate * (1 - rate) / estimate.error**2))
        least, most = wilson_limits(rate, size, t)
        low, high = max(low, least), min(high, most)
    method = f"{estimate.method}, skewness corrected"
    return Interval(low=low, high=high, level=level, method=method)


def _hall(x: float, skewness: float, n: int) -> float:
    """The t that Hall's cubic maps to ``x`` (Hall 1992, eq. 2.3)."""
    inner = 1 + skewness * (x / math.sqrt(n) - skewness / (6 * n))
    return 3 * math.sqrt(n) / skewness * (math.cbrt(inner) - 1)


def cut_to_unit(interval: Interval | None) -> Interval | None:
    """The interval of a mean that lies in [0, 1], without what lies outside; its coverage stays the same."""
    if interval is None:
        return None
    low, high = max(0.0, interval.low), min(1.0, interval.high)
    if (low, high) == (interval.low, interval.high):
        return interval
    return Interval(low=low, high=high, level=interval.level, method=f"{interval.method}, cut to [0, 1]")


def cut_below(interval: Interval | None, floor: float | None) -> Interval | None:
    """The interval of a mean of values that are never below ``floor``, without what lies there."""
    if interval is None or floor is None or interval.low >= floor:
        return interval
    method = f"{interval.method}, cut at {floor:g}"
    return Interval(low=floor, high=interval.high, level=interval.level, method=method)


def wilson_interval(successes: int, n: int, level: float) -> Interval:
    """Score interval of a rate of ``successes`` out of ``n`` >= 1 independent trials (Wilson 1927)."""
    low, high = wilson_limits(successes / n, n, NormalDist().inv_cdf((1 + level) / 2))
    return Interval(low=low, high=high, level=level, method="Wilson")


def wilson_limits(rate: float, n: float, quantile: float) -> tuple[float, float]:
    """Both roots of |rate - p| = quantile * sqrt(p (1 - p) / n)."""
    z = quantile
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if rate == 0.0 else max(0.0, centre - half)
    return low, 1.0 if rate == 1.0 else min(1.0, centre + half)
