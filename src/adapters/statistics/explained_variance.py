"""Share of the variance that belongs to the groups: eta, omega and epsilon squared, and the rank epsilon.

eta^2 = SSb / SSt overstates the share in small samples; omega^2 (Hays 1963) and epsilon^2 (Kelley 1935) take
the expected share of chance off. All three estimate the same population share, lambda / (lambda + N), so they
have the same interval: the limits of the noncentrality of F (Steiger 2004), exact for normal groups of equal
variance. The rank epsilon^2 of Kruskal-Wallis is H / (N - 1) (Kelley 1935; Tomczak & Tomczak 2014), with a
percentile bootstrap within groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...messages.findings import Interval
from .answers import Figure, UnfitError, figured, groups_of, probability
from .group_tests import Variance, split_variance
from .noncentral import f_limits
from .pairs import Floats, stream

__all__ = ["epsilon_squared", "eta_squared", "omega_squared", "rank_epsilon_squared"]


@figured("eta_squared")
def eta_squared(groups: Sequence[Sequence[float]], *, level: float = 0.95) -> Figure:
    """SSb / SSt."""
    parts = split_variance(groups)
    return _figure("eta_squared", parts.between / (parts.between + parts.within), parts, level)


@figured("omega_squared")
def omega_squared(groups: Sequence[Sequence[float]], *, level: float = 0.95) -> Figure:
    """(SSb - dfb MSw) / (SSt + MSw); can be negative."""
    parts = split_variance(groups)
    noise = parts.within / parts.df2
    value = (parts.between - parts.df1 * noise) / (parts.between + parts.within + noise)
    return _figure("omega_squared", value, parts, level)


@figured("epsilon_squared")
def epsilon_squared(groups: Sequence[Sequence[float]], *, level: float = 0.95) -> Figure:
    """(SSb - dfb MSw) / SSt; can be negative."""
    parts = split_variance(groups)
    noise = parts.within / parts.df2
    value = (parts.between - parts.df1 * noise) / (parts.between + parts.within)
    return _figure("epsilon_squared", value, parts, level)


def _figure(name: str, value: float, parts: Variance, level: float) -> Figure:
    between, within, df1, df2, n = parts
    limits = f_limits(between / df1 / (within / df2), df1, df2, probability(level, "the level"))
    interval = None
    if limits is not None:
        low, high = (limit / (limit + n) for limit in limits)
        interval = Interval(low=low, high=high, level=level, method="noncentral F")
    notes = "" if interval else "no interval: the noncentral F has no limits this far out"
    return Figure(name=name, value=value, n=n, interval=interval, notes=notes)


@figured("rank_epsilon_squared")
def rank_epsilon_squared(
    groups: Sequence[Sequence[float]], *, level: float = 0.95, iterations: int = 2000, seed: int = 0
) -> Figure:
    """H / (N - 1) of Kruskal-Wallis with ties."""
    found = groups_of(groups, least=1)
    both = np.concatenate(found)
    if np.ptp(both) == 0.0:
        raise UnfitError("constant", "all values are equal")
    rng, sizes = stream(seed, "rank_epsilon_squared"), [len(group) for group in found]
    drawn = [group[rng.integers(0, len(group), (iterations, len(group)))] for group in found]
    shares = _rank_share(np.concatenate(drawn, axis=1), sizes)
    tails = ((1 - probability(level, "the level")) / 2, (1 + level) / 2)
    low, high = np.quantile(shares, tails)
    interval = Interval(low=float(low), high=float(high), level=level, method="percentile bootstrap")
    value = float(_rank_share(both[None, :], sizes)[0])
    return Figure(name="rank_epsilon_squared", value=value, n=len(both), interval=interval)


def _rank_share(rows: Floats, sizes: Sequence[int]) -> Floats:
    """Between-group share of the variance of the ranks, row by row: H / (N - 1), ties and all."""
    from scipy.stats import rankdata

    ranks = rankdata(rows, axis=1)
    centre = (rows.shape[1] + 1) / 2
    parts = np.split(ranks, np.cumsum(sizes)[:-1], axis=1)
    between = sum(part.shape[1] * (part.mean(axis=1) - centre) ** 2 for part in parts)
    total = ((ranks - centre) ** 2).sum(axis=1)
    share: Floats = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return share
