"""Intervals of rates: one rate in clusters, two independent rates and two paired ones (Newcombe 1998).

In clusters a rate has Wilson's interval with the effective sample size rate (1 - rate) / SE^2, SE by CR1, and
t(C - 1) in place of the normal quantile (Dean & Pagano 2015). The difference of two paired rates combines the
intervals of both by MOVER (Zou & Donner 2008) with the correlation of their cluster sums; Newcombe's paired
method is the same without clusters. Rejected: the t interval of the differences, which is too short, or does
not exist, when few pairs differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...messages.findings import Interval
from .intervals import Estimate, estimate_mean, wilson_interval, wilson_limits
from .student import t_quantile

if TYPE_CHECKING:
    from .pairs import Pairs

__all__ = ["clustered_wilson", "effective_wilson", "newcombe", "newcombe_paired", "paired_rates"]

Limits = tuple[float, float]


def clustered_wilson(estimate: Estimate, level: float) -> Interval | None:
    """Interval of the rate of 0/1 scores in clusters; None for a single cluster."""
    if estimate.clusters is None or not estimate.df:
        return None
    return effective_wilson(
        estimate.mean,
        estimate.n,
        estimate.error,
        alike=estimate.alike,
        clusters=estimate.clusters,
        level=level,
    )


def effective_wilson(
    rate: float, n: int, error: float | None, *, alike: float, clusters: int, level: float
) -> Interval:
    """Wilson's interval of a rate with the standard error ``error`` over two clusters or more.

    The effective size is at most ``n``. Where the clusters show no spread (all scores 0, or all 1) it is
    ``alike``: what is left if the scores of a cluster always agree.
    """
    size = min(float(n), rate * (1 - rate) / error**2) if error else alike
    low, high = wilson_limits(rate, size, t_quantile((1 + level) / 2, clusters - 1))
    method = f"Wilson, effective n {size:.4g}, {clusters} clusters, t({clusters - 1})"
    return Interval(low=low, high=high, level=level, method=method)


def paired_rates(pairs: Pairs, level: float) -> Interval | None:
    """Interval of the difference of two columns of 0/1 scores; None for a single cluster."""
    if pairs.cluster is None:
        first, second = pairs.system > 0, pairs.baseline > 0
        both, gained = int((first & second).sum()), int((first & ~second).sum())
        lost = int((second & ~first).sum())
        return newcombe_paired(both, gained, lost, pairs.n - both - gained - lost, level)
    codes = pairs.cluster.tolist()
    mine, theirs = (estimate_mean(column.tolist(), codes) for column in (pairs.system, pairs.baseline))
    a, b = clustered_wilson(mine, level), clustered_wilson(theirs, level)
    if a is None or b is None:
        return None
    own, other = (pairs.per_cluster(c - c.mean()) for c in (pairs.system, pairs.baseline))
    scale = math.sqrt(float(own @ own) * float(other @ other))
    together = float(own @ other) / scale if mine.error is not None and theirs.error is not None else 0.0
    low, high = _combine((mine.mean, a), (theirs.mean, b), together)
    method = f"MOVER of Wilson intervals over {mine.clusters} clusters, t({mine.df})"
    return Interval(low=low, high=high, level=level, method=method)


def _combine(first: tuple[float, Interval], second: tuple[float, Interval], together: float) -> Limits:
    """Limits of the difference of two figures from the limits of each and their correlation (MOVER)."""
    (p, a), (q, b) = first, second
    down, up, left, right = p - a.low, a.high - p, q - b.low, b.high - q
    return (
        p - q - math.sqrt(max(0.0, down**2 - 2 * together * down * right + right**2)),
        p - q + math.sqrt(max(0.0, up**2 - 2 * together * up * left + left**2)),
    )


def newcombe(first: int, n_first: int, second: int, n_second: int, level: float) -> Interval:
    """Interval of rate(first) - rate(second), independent: Newcombe's hybrid score method 10."""
    a, b = wilson_interval(first, n_first, level), wilson_interval(second, n_second, level)
    low, high = _combine((first / n_first, a), (second / n_second, b), 0.0)
    return Interval(low=low, high=high, level=level, method="Newcombe")


def newcombe_paired(both: int, gained: int, lost: int, neither: int, level: float) -> Interval:
    """Interval of the difference of two paired rates, (gained - lost) / n: Newcombe's paired method 10.

    The correlation of the pairs enters by phi with a continuity correction, as printed there.
    """
    n = both + gained + lost + neither
    p, q = (both + gained) / n, (both + lost) / n
    a, b = wilson_interval(both + gained, n, level), wilson_interval(both + lost, n, level)
    low, high = _combine((p, a), (q, b), _phi(both, gained, lost, neither))
    return Interval(low=low, high=high, level=level, method="Newcombe, paired")


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    n = both + gained + lost + neither
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - gained * lost)
    if product > 0:
        product = max(product - n / 2, 0.0)
    return product / math.sqrt(margins)
