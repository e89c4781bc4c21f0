"""What a persistence diagram is, and its parts. Used by the distances and the vectors of this package.

A diagram is one dimension's list of (birth, death); a class that never dies has death infinity. It says
nothing of the dimension or the metric: compare only diagrams of the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError
from ...messages.findings import PersistenceResult

__all__ = ["Parts", "diagram_of", "split"]

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """A checked diagram."""

    finite: Floats
    """Births and deaths of positive length, shape (n, 2)."""
    births: Floats
    """Births of the classes that never die, ascending, shape (m,)."""


def split(diagram: Iterable[tuple[float, float]] | Floats) -> Parts:
    """Check a diagram and take it apart; bars of length 0 are nothing and are dropped.

    Raises InputError for NaN, a birth that is not finite, or a death before its birth.
    """
    pairs = np.asarray(diagram if isinstance(diagram, np.ndarray) else list(diagram), dtype=np.float64)
    if pairs.size == 0:
        return Parts(np.empty((0, 2)), np.empty(0))
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise InputError(f"diagram: expected pairs of birth and death, got shape {pairs.shape}")
    births, deaths = pairs[:, 0], pairs[:, 1]
    if not np.isfinite(births).all() or np.isnan(deaths).any():
        raise InputError("diagram: expected finite births and deaths that are numbers, got NaN or infinity")
    if (deaths < births).any():
        raise InputError("diagram: expected birth <= death in every pair")
    forever = deaths == math.inf
    return Parts(pairs[~forever & (deaths > births)], np.sort(births[forever]))


def diagram_of(result: PersistenceResult, dimension: int) -> list[tuple[float, float]]:
    """The diagram of one dimension of a result."""
    return [
        (bar.birth, math.inf if bar.death is None else bar.death)
        for bar in result.bars
        if bar.dimension == dimension
    ]
