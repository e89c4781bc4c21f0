"""Distance matrices that every engine reads the same way.

Called by persistence and fragility. Distances are computed in float64 and made exactly symmetric; NaN and
infinities are refused, because Rips engines answer them with a plausible diagram.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError

__all__ = ["MetricName", "as_points", "distance_matrix", "unique_rows", "unit_rows"]

MetricName = Literal["cosine", "euclidean"]

_DIRECT_DIMENSIONS = 8
_TINY = np.finfo(np.float64).tiny


def as_points(points: Any) -> NDArray[np.float64]:
    """A float64 array of shape (n, d), checked. Raises InputError for another shape or values not finite."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"points: expected an array of shape (n, d), got {array.ndim} dimension(s)")
    if not np.isfinite(array).all():
        raise InputError("points: expected finite numbers, got NaN or infinity")
    return array + 0.0  # a copy in which -0.0 is 0.0


def unique_rows(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows without repetitions, in order of first appearance."""
    first = {row.tobytes(): index for index, row in reversed(list(enumerate(points)))}
    return points if len(first) == len(points) else points[sorted(first.values())]


def unit_rows(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to Euclidean length 1; rows of zeros stay. Shape (n, d) in and out."""
    lengths = np.sqrt((points * points).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = points / np.maximum(lengths, _TINY)
    return unit


def distance_matrix(points: NDArray[np.float64], metric: MetricName) -> NDArray[np.float64]:
    """Pairwise distances, shape (n, n), symmetric with a zero diagonal.

    ``cosine`` is 1 − cos of the angle, in [0, 2]; a row of zeros has distance 1 to all others.
    ``euclidean`` goes by differences in up to 8 dimensions, else by the Gram matrix of the centred points,
    whose error is about 1e-8 of the cloud's radius.
    """
    if metric == "cosine":
        unit = unit_rows(points)
        distances = 1.0 - unit @ unit.T
        np.maximum(distances, 0.0, out=distances)
        np.minimum(distances, 2.0, out=distances)
    elif points.shape[1] <= _DIRECT_DIMENSIONS:
        squares = np.zeros((len(points), len(points)))
        for column in points.T:
            squares += np.subtract.outer(column, column) ** 2
        distances = np.sqrt(squares)
    else:
        centred = points - points.mean(axis=0) if len(points) else points
        squares = np.einsum("ij,ij->i", centred, centred)
        gram = centred @ centred.T
        distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2.0 * gram, 0.0))
    distances = 0.5 * (distances + distances.T)
    distances.flat[:: len(distances) + 1] = 0.0
    return distances
