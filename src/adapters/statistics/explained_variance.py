"""Share of the variance that belongs to the groups: eta, omega and epsilon squared, and the rank epsilon.

eta^2 = SSb / SSt overstates the share in small samples; omega^2 (Hays 1963) and epsilon^2 (Kelley 1935) take
the expected share of chance off. All three estimate the same population share, lambda / (lambda + N), so they
have the same interval: the limits of the noncentrality of F (Steiger 2004), exact for normal groups of equal
variance. The rank epsilon^2 of Kruskal-Wallis is H / (N - 1) (Kelley 1935; Tomczak & Tomczak 2014), which is
eta^2 of the ranks: its interval is that of the F of the ranks, approximate. Rejected: the percentile
bootstrap within groups, which never holds a share of 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...messages.findings import Interval
from .answers import Figure, UnfitError, figured, groups_of, probability
from .group_tests import Variance, split_variance
from .noncentral import f_limits
from .rank_tests import average_ranks

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


def _figure(name: str, value: float, parts: Variance, level: float, *, of: str = "") -> Figure:
    between, within, df1, df2, n = parts
    limits = f_limits(between / df1 / (within / df2), df1, df2, probability(level, "the level"))
    interval = None
    if limits is not None:
        low, high = (limit / (limit + n) for limit in limits)
        interval = Interval(low=low, high=high, level=level, method=f"noncentral F{of}")
    notes = "" if interval else "no interval: the noncentral F has no limits this far out"
    return Figure(name=name, value=value, n=n, interval=interval, notes=notes)


@figured("rank_epsilon_squared")
def rank_epsilon_squared(groups: Sequence[Sequence[float]], *, level: float = 0.95) -> Figure:
    """H / (N - 1) of Kruskal-Wallis with ties: the share of the variance of the ranks."""
    found = groups_of(groups, least=1)
    both = np.concatenate(found)
    if np.ptp(both) == 0.0:
        raise UnfitError("constant", "all values are equal")
    ranks = np.split(average_ranks(both), np.cumsum([len(group) for group in found])[:-1])
    parts = split_variance([part.tolist() for part in ranks])
    share = parts.between / (parts.between + parts.within)
    return _figure("rank_epsilon_squared", share, parts, level, of=" of the ranks")
