"""Exact distances between persistence diagrams: bottleneck and Wasserstein.

A matching pairs points of two diagrams; a point without a partner goes to the diagonal, at a price of half
its length (Cohen-Steiner, Edelsbrunner & Harer 2007). Classes that never die are matched among themselves by
their births in order; when their numbers differ, the distance is infinite. Both distances are 0 exactly for
equal diagrams. Called by the robustness figures and by users; blocking, quadratic memory in the bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError
from .diagrams import Floats, split

__all__ = ["Ground", "bottleneck", "wasserstein"]

Ground = Literal["max", "euclidean"]
"""Distance of two points of the plane: the larger difference, or the straight line."""

Pairs = Iterable[tuple[float, float]] | Floats


def bottleneck(left: Pairs, right: Pairs) -> float:
    """The least δ for which a matching moves no point further than δ, in the maximum norm.

    δ is one of finitely many candidates (distances of pairs, half lengths), so a binary search over them,
    with a maximum matching (Hopcroft & Karp 1973) as the test, is exact. By Mendelsohn & Dulmage (1958) the
    points that are too long for the diagonal can all be matched at once when each side's can be matched on
    its own, so no copies of the diagonal are needed.
    """
    (first, births), (second, others) = split(left), split(right)
    if len(births) != len(others):
        return math.inf
    forever = float(np.abs(births - others).max(initial=0.0))
    near, far = _half_lengths(first), _half_lengths(second)
    ceiling = max(near.max(initial=0.0), far.max(initial=0.0))  # all to the diagonal
    apart = _distances(first, second, "max")
    candidates = np.unique(np.concatenate([[0.0], near, far, apart[apart < ceiling]]))
    low, high = 0, len(candidates)  # at `high` and beyond it a matching is known to exist
    while low < high:
        middle = (low + high) // 2
        if _matchable(apart, near, far, candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return max(forever, float(candidates[low]) if low < len(candidates) else 0.0)


def wasserstein(left: Pairs, right: Pairs, order: float = 2.0, ground: Ground = "max") -> float:
    """The ``order``-th root of the least sum of moved distances to that power.

    The sum over a matching is that of all points going to the diagonal plus, for each pair, what the pair
    costs more or less than two diagonals; the least is an assignment problem of the size of the diagrams
    (Jonker & Volgenant 1987, in SciPy). Raises InputError for an order below 1.
    """
    if not (order >= 1.0 and math.isfinite(order)):
        raise InputError(f"order: expected a finite number >= 1, got {order}")
    (first, births), (second, others) = split(left), split(right)
    if len(births) != len(others):
        return math.inf
    scale = 1.0 if ground == "max" else math.sqrt(2.0)
    near, far = (scale * _half_lengths(first)) ** order, (scale * _half_lengths(second)) ** order
    apart = _distances(first, second, ground) ** order
    gain = np.minimum(apart - near[:, None] - far[None, :], 0.0)
    alone, others_alone = np.ones(len(first), dtype=bool), np.ones(len(second), dtype=bool)
    costs = [*(np.abs(births - others) ** order)]
    if gain.size:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(gain)
        paired = gain[rows, columns] < 0.0
        rows, columns = rows[paired], columns[paired]
        alone[rows] = others_alone[columns] = False
        costs += [*apart[rows, columns]]
    return float(math.fsum([*costs, *near[alone], *far[others_alone]]) ** (1.0 / order))


def _half_lengths(points: Floats) -> Floats:
    half: Floats = (points[:, 1] - points[:, 0]) / 2.0
    return half


def _distances(first: Floats, second: Floats, ground: Ground) -> Floats:
    births = np.subtract.outer(first[:, 0], second[:, 0])
    deaths = np.subtract.outer(first[:, 1], second[:, 1])
    if ground == "euclidean":
        return np.hypot(births, deaths)
    return np.maximum(np.abs(births), np.abs(deaths))


def _matchable(apart: Floats, near: Floats, far: Floats, limit: float) -> bool:
    """Whether all points longer than the diagonal takes have partners within ``limit``."""
    allowed = apart <= limit
    return _covers(allowed[near > limit]) and _covers(allowed[:, far > limit].T)


def _covers(allowed: NDArray[np.bool_]) -> bool:
    """Whether a matching reaches every row."""
    if not len(allowed):
        return True
    if not allowed.any(axis=1).all():
        return False
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return bool((maximum_bipartite_matching(csr_matrix(allowed), perm_type="column") >= 0).all())
