"""Interval of a correlation, and its p-value where answers come in clusters.

Called by the agreement of surrogates with exact figures; coefficients and p-values of independent pairs are
in ``rank_correlation``. The variance is that of the influence function (Hampel 1974; of Spearman's
coefficient with the part that comes from estimating the ranks, Borkowf 2000), summed within clusters as in
CR1, so neither normal columns nor independent pairs are assumed. Limits are those of Fisher's transform
(1921), atanh r ∓ t·SE, turned back: they lie in [-1, 1]. Rejected: 1/√(n - 3), which is right for normal
columns only and far too short for clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ...messages.findings import Interval
from .pairs import Floats
from .rank_tests import average_ranks
from .student import t_quantile
from .t_tests import t_tail

__all__ = ["FEWEST", "Spread", "correlation_spread"]

FEWEST = 5
"""Fewer pairs or clusters tell nothing of how far the next sample would lie."""
NO_SPREAD = 1e-9


class Spread(NamedTuple):
    """How well a correlation is known; no interval comes with a ``reason``."""

    interval: Interval | None = None
    clustered_p: float | None = None
    """Two-sided p of "no correlation"; None for independent pairs, for which better tests exist."""
    reason: str | None = None


def correlation_spread(
    left: Sequence[float],
    right: Sequence[float],
    kind: Literal["pearson", "spearman"],
    *,
    clusters: Sequence[int] | None = None,
    level: float = 0.95,
) -> Spread:
    """Of two finite columns of equal length, neither of them constant."""
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    codes = np.arange(len(first)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    units = int(codes.max()) + 1
    if units < FEWEST:
        what = "pairs" if clusters is None else "clusters"
        return Spread(reason=f"{units} of the {FEWEST} {what} that an interval needs")
    if kind == "spearman":
        first, second = average_ranks(first), average_ranks(second)
    u, v = (first - first.mean()) / first.std(), (second - second.mean()) / second.std()
    r = float(np.mean(u * v))
    if 1.0 - abs(r) < NO_SPREAD:
        return Spread(reason="all pairs lie on one line")
    pull = u * v - r * (u * u + v * v) / 2
    if kind == "spearman":
        pull = pull + _of_ranks(first, v - r * u) + _of_ranks(second, u - r * v)
    sums = np.bincount(codes, weights=pull)
    squares = float(sums @ sums) * units / (units - 3)
    error = math.sqrt(squares) / len(first) / (1.0 - r * r)
    if error < NO_SPREAD:
        return Spread(reason="the pairs leave no spread")
    z, half = math.atanh(r), t_quantile((1 + level) / 2, units - 1) * error
    how = f"Fisher's z, influence function over {units} {'pairs' if clusters is None else 'clusters'}"
    interval = Interval(
        low=math.tanh(z - half), high=math.tanh(z + half), level=level, method=f"{how}, t({units - 1})"
    )
    p_value = None if clusters is None else t_tail(z / error, units - 1)
    return Spread(interval=interval, clustered_p=p_value)


def _of_ranks(ranks: Floats, weights: Floats) -> Floats:
    """What each value does to the coefficient by moving the ranks of those above it, ties by half."""
    size = len(ranks)
    _, places = np.unique(ranks, return_inverse=True)
    at = np.bincount(places, weights=weights)
    above = at.sum() - np.cumsum(at)
    moved = (above + at / 2)[places] / size
    spread = float(ranks.std()) / size
    pull: Floats = (moved - moved.mean()) / spread
    return pull
