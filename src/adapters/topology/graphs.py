"""Graphs over a cloud of points: k nearest neighbours, epsilon, Gabriel; and the invariants of a graph.

For users who look at the shape of claims without a filtration. Each graph is undirected and simple: edges
are pairs (i, j), i < j, in order. They are built from a matrix of distances, so any metric will do, with
quadratic memory (Gabriel: cubic time). Invariants are those of the claim graph, by the same code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError
from ..cns.graph import beta1, components, cycle_count

__all__ = ["Edge", "Invariants", "epsilon_graph", "gabriel_graph", "invariants", "knn_graph"]

Edge = tuple[int, int]
Floats = NDArray[np.float64]


class Invariants(NamedTuple):
    """Of the undirected simple graph, but for the last: repeated edges and self-loops do not count."""

    vertices: int
    edges: int
    beta0: int
    """Connected pieces."""
    beta1: int
    """Independent loops, E − V + C. Two ways from one vertex to another are a loop."""
    directed_cycles: int
    """Strongly connected components with a directed cycle; 0 for a graph whose edges all point one way."""


def invariants(vertices: int, edges: Iterable[Edge]) -> Invariants:
    """The invariants of a graph whose vertices are 0 to ``vertices`` − 1; raises InputError for others."""
    edges = list(edges)
    if any(not 0 <= end < vertices for edge in edges for end in edge):
        raise InputError(f"edges: expected ends from 0 to {vertices - 1}")
    simple = {(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]}
    return Invariants(
        vertices,
        len(simple),
        components(vertices, simple),
        beta1(vertices, simple),
        cycle_count(vertices, edges),
    )


def knn_graph(distances: Floats, k: int, *, mutual: bool = False) -> list[Edge]:
    """Each point joined to its ``k`` nearest others, ties to the lower position.

    ``mutual`` keeps the edges that both ends chose. With fewer than k + 1 points all are joined.
    """
    if k < 1:
        raise InputError(f"k: expected a whole number >= 1, got {k}")
    size = len(distances)
    others = np.where(np.eye(size, dtype=bool), np.inf, distances)
    nearest = np.argsort(others, axis=1, kind="stable")[:, : max(0, min(k, size - 1))]
    chosen = np.zeros((size, size), dtype=bool)
    np.put_along_axis(chosen, nearest, values=True, axis=1)
    return _edges(chosen & chosen.T if mutual else chosen | chosen.T)


def epsilon_graph(distances: Floats, epsilon: float) -> list[Edge]:
    """Points at most ``epsilon`` apart are joined: the 1-skeleton of the Rips complex at that distance."""
    if not (epsilon >= 0.0 and math.isfinite(epsilon)):
        raise InputError(f"epsilon: expected a finite number >= 0, got {epsilon}")
    return _edges(distances <= epsilon)


def gabriel_graph(distances: Floats) -> list[Edge]:
    """Two points are joined unless a third lies inside the ball that has them as diameter (Gabriel 1969).

    That is, unless d(i, k)² + d(j, k)² < d(i, j)² for some k; a point on the ball's surface does not part
    them. The reading as a ball is Euclidean; give distances on unit vectors as chords, not as cosines.
    """
    squares = distances**2
    joined = np.ones(squares.shape, dtype=bool)
    slack = 1e-12 * squares
    for row in squares:
        joined &= row[:, None] + row[None, :] >= squares - slack
    return _edges(joined)


def _edges(joined: NDArray[np.bool_]) -> list[Edge]:
    rows, columns = np.nonzero(np.triu(joined, 1))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
