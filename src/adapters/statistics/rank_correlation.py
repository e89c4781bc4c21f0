"""Correlation of two columns with a p-value that holds for small and tied data.

Called by the agreement of surrogates with exact figures. Pearson's r, or Spearman's ρ as Pearson's r of
average ranks. The two-sided p-value is the share of orders of one column whose coefficient is at least as far
from 0: over all orders up to ``EXACT`` pairs, over random ones up to ``SHUFFLED`` (Phipson & Smyth 2010: the
observed one counts as one of them), beyond that by Student's t with n − 2 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .rank_tests import average_ranks

__all__ = ["Correlation", "correlate"]

EXACT = 8
SHUFFLED = 200
SHUFFLES = 9_999
_SLACK = 1e-12
"""Coefficients closer than this are equal; they differ by rounding only."""

Floats = NDArray[np.float64]


class Correlation(NamedTuple):
    """A coefficient; None with a ``status`` that says why."""

    status: Literal["ok", "constant", "too_few_pairs", "not_finite"]
    value: float | None = None
    p_value: float | None = None
    method: str = ""
    """How p was found: ``exact``, ``permutation`` or ``t``."""


def correlate(
    left: Sequence[float], right: Sequence[float], kind: Literal["pearson", "spearman"], *, seed: int = 0
) -> Correlation:
    """Correlation of columns of equal length; fewer than three pairs or a constant column have none."""
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return Correlation("not_finite")
    if len(first) < 3:
        return Correlation("too_few_pairs")
    if first.min() == first.max() or second.min() == second.max():
        return Correlation("constant")
    if kind == "spearman":
        first, second = average_ranks(first), average_ranks(second)
    first, second = _standard(first), _standard(second)
    value = min(1.0, max(-1.0, float(first @ second)))
    if len(first) <= EXACT:
        return Correlation("ok", value, _exact(first, second, value), "exact")
    if len(first) <= SHUFFLED or abs(value) == 1.0:  # where t is infinite and p would be 0
        return Correlation("ok", value, _shuffled(first, second, value, seed), "permutation")
    return Correlation("ok", value, _student(value, len(first)), "t")


def _standard(values: Floats) -> Floats:
    centred = values - values.mean()
    standard: Floats = centred / math.sqrt(float(centred @ centred))
    return standard


def _exact(first: Floats, second: Floats, value: float) -> float:
    orders = second[np.array(list(permutations(range(len(second)))))]
    return float(np.mean(np.abs(orders @ first) >= abs(value) - _SLACK))


def _shuffled(first: Floats, second: Floats, value: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(second, (SHUFFLES, 1)), axis=1)
    beyond = int(np.sum(np.abs(orders @ first) >= abs(value) - _SLACK))
    return (beyond + 1) / (SHUFFLES + 1)


def _student(value: float, size: int) -> float:
    from scipy.special import stdtr

    t = abs(value) * math.sqrt((size - 2) / (1.0 - value * value))
    return float(2.0 * stdtr(size - 2, -t))
