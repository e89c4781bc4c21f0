"""Mean of scores with its standard error, and the intervals made from them.

Called for every metric of every system, so it works with the standard library alone. Sources: Wilson
(1927) for rates; Miller (2024), "Adding Error Bars to Evals", for clustered evaluations; Cameron & Miller
(2015), "A Practitioner's Guide to Cluster-Robust Inference", for CR1 with t(C - 1). Rejected: the normal
interval for 0/1 scores, which covers far too seldom near 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from ...messages.base import Message
from ...messages.findings import Interval
from .student import t_quantile

__all__ = ["Estimate", "cut_to_unit", "estimate_mean", "is_binary", "student_interval", "wilson_interval"]

NO_SPREAD = 1e-12
"""A standard error below this share of the largest score is rounding noise, not spread."""


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
    squares = math.fsum((value - mean) * (value - mean) for value in values)
    sd = math.sqrt(squares / (n - 1)) if n > 1 else None
    sums = None if clusters is None else _cluster_sums([value - mean for value in values], clusters)
    if sums is None:
        count, df = None, n - 1
        error = None if sd is None else sd / math.sqrt(n)
    else:
        count, df = len(sums), len(sums) - 1
        meat = math.fsum(total * total for total in sums)
        error = math.sqrt(count / df * meat) / n if df else None
    reason = _degenerate(n, count, sd, error, max(abs(min(values)), abs(max(values))))
    return Estimate(
        n=n, mean=mean, sd=sd, error=None if reason else error, df=df, clusters=count, reason=reason
    )


def _cluster_sums(residuals: Sequence[float], clusters: Sequence[int]) -> list[float] | None:
    members: dict[int, list[float]] = {}
    for cluster, residual in zip(clusters, residuals, strict=True):
        members.setdefault(cluster, []).append(residual)
    if len(members) == len(residuals):
        return None
    return [math.fsum(member) for member in members.values()]


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


def cut_to_unit(interval: Interval | None) -> Interval | None:
    """The interval of a mean that lies in [0, 1], without what lies outside; its coverage stays the same."""
    if interval is None:
        return None
    low, high = max(0.0, interval.low), min(1.0, interval.high)
    if (low, high) == (interval.low, interval.high):
        return interval
    return Interval(low=low, high=high, level=interval.level, method=f"{interval.method}, cut to [0, 1]")


def wilson_interval(successes: int, n: int, level: float) -> Interval:
    """Score interval of a rate of ``successes`` out of ``n`` >= 1 independent trials (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = successes / n
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low=low, high=high, level=level, method="Wilson")
