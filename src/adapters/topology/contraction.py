"""From which scale on a Rips complex is contractible, so that no engine need look beyond it.

Called by ``rips`` before edges are collapsed, whose time grows with the edges at hand. Engines stop at the
enclosing radius, where one vertex is joined to all others. Contractible is enough, and comes earlier on
shapes.

A vertex v is dominated by w at every scale from t on if d(w, v) <= t and, for every point x, d(w, x) <= t or
d(w, x) <= d(v, x): whatever is joined to v is joined to w. Removing v then changes no homotopy type, at any
of these scales (strong collapse, Barmak & Minian 2012), and the same v may go at all of them. If what is left
ends with a vertex that is joined to all others at t, the complexes are contractible from t on: every class
has died by then, none is born later, and a filtration that is cut at t has the same bars.

Vertices are tried greedily and scales by bisection, so what is found is an upper bound of the least such
scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["contractible_from"]

TRIES = 16
"""Most central vertices that are tried as w in a round."""

STEPS = 5
"""Halvings of the stretch from half the enclosing radius up to it."""


def contractible_from(distances: NDArray[np.floating[Any]]) -> float:
    """A scale from which on the Rips complex is contractible; at most the enclosing radius.

    ``distances`` has shape (n, n), n >= 1, and is symmetric with a zero diagonal.
    """
    high = distances.max(axis=1).min()
    low = high / 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _collapses(distances, middle):
            high = middle
        else:
            low = middle
    return float(high)


def _collapses(distances: NDArray[np.floating[Any]], scale: np.floating[Any]) -> bool:
    """Whether removing dominated vertices ends with one that is joined to all others."""
    while True:
        reach = distances.max(axis=1)
        central = reach.argsort(kind="stable")[:TRIES]
        if reach[central[0]] <= scale:
            return True
        kept = np.ones(len(distances), dtype=np.bool_)
        for place in central:
            if kept[place]:
                kept[_dominated(distances, place, kept, scale)] = False
        if kept.all():
            return False
        distances = distances[np.ix_(kept, kept)]


def _dominated(
    distances: NDArray[np.floating[Any]], by: int, kept: NDArray[np.bool_], scale: np.floating[Any]
) -> NDArray[np.intp]:
    """The kept vertices that the vertex ``by`` dominates at every scale from ``scale`` on."""
    row = distances[by]
    far = np.flatnonzero(row > scale)
    near = kept & (row <= scale)
    near[by] = False
    places = np.flatnonzero(near)
    dominated: NDArray[np.intp] = places[(distances[np.ix_(places, far)] >= row[far]).all(axis=1)]
    return dominated
