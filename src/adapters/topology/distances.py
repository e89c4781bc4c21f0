"""Distance matrices that every engine reads the same way.

Called by persistence and fragility. Distances are computed in float64 and made exactly symmetric; NaN and
infinities are refused, because Rips engines answer them with a plausible diagram.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError

__all__ = [
    "TRUE_METRICS",
    "MetricName",
    "as_points",
    "cross_distances",
    "distance_matrix",
    "unique_rows",
    "unit_rows",
]

MetricName = Literal["cosine", "angular", "euclidean", "manhattan", "chebyshev"]

TRUE_METRICS: frozenset[MetricName] = frozenset({"angular", "euclidean", "manhattan", "chebyshev"})
"""Those that obey the triangle inequality, on which all theorems of stability stand; cosine does not."""

_DIRECT_DIMENSIONS = 8
_TINY = np.finfo(np.float64).tiny
_ROUNDING = 1e-15
"""Below this a cosine distance is rounding: parallel vectors are at 0."""


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

    ``cosine`` is 1 − cos of the angle, in [0, 2]; ``angular`` the angle itself, in [0, π]. A row of zeros is
    at a right angle to all others. ``euclidean`` goes by differences in up to 8 dimensions, else by the Gram
    matrix of the centred points, whose error is about 1e-8 of the cloud's radius. ``manhattan`` sums the
    absolute differences, ``chebyshev`` takes the largest.
    """
    distances = cross_distances(points, points, metric)
    distances = 0.5 * (distances + distances.T)
    distances.flat[:: len(distances) + 1] = 0.0
    return distances


def cross_distances(
    left: NDArray[np.float64], right: NDArray[np.float64], metric: MetricName
) -> NDArray[np.float64]:
    """Distances of each row of ``left`` to each of ``right``, shape (n, m), as ``distance_matrix`` says."""
    if metric in ("cosine", "angular"):
        cosine: NDArray[np.float64] = 1.0 - unit_rows(left) @ unit_rows(right).T
        cosine[cosine < _ROUNDING] = 0.0
        np.minimum(cosine, 2.0, out=cosine)
        angle: NDArray[np.float64] = np.arccos(1.0 - cosine) if metric == "angular" else cosine
        return angle
    if metric == "euclidean" and left.shape[1] > _DIRECT_DIMENSIONS:
        centre = right.mean(axis=0) if len(right) else 0.0
        left, right = left - centre, right - centre
        squares = np.einsum("ij,ij->i", left, left)[:, None] + np.einsum("ij,ij->i", right, right)
        lengths: NDArray[np.float64] = np.sqrt(np.maximum(squares - 2.0 * (left @ right.T), 0.0))
        return lengths
    distances = np.zeros((len(left), len(right)))
    for near, far in zip(left.T, right.T, strict=True):
        step = np.abs(np.subtract.outer(near, far))
        if metric == "euclidean":
            distances += step * step
        elif metric == "manhattan":
            distances += step
        else:
            np.maximum(distances, step, out=distances)
    return np.sqrt(distances) if metric == "euclidean" else distances
