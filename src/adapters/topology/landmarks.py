"""Landmarks: a few points that stand for many, with the error that this makes. Called by persistence.

Farthest-point sampling (Gonzalez 1985): each next landmark is the point furthest from those already chosen,
so that for k landmarks the covering radius is at most twice the best possible. Under a true metric the
Rips diagrams of the landmarks lie within twice the covering radius of those of all points in the bottleneck
distance (Chazal, de Silva & Oudot 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .distances import MetricName, cross_distances

__all__ = ["farthest_points"]


def farthest_points(
    points: NDArray[np.float64], count: int, metric: MetricName
) -> tuple[NDArray[np.intp], float]:
    """Positions of ``count`` landmarks, the first point first, and the covering radius.

    Takes ``count`` passes over the points and no matrix of distances. With as many landmarks as points the
    radius is 0.
    """
    chosen = np.zeros(min(count, len(points)), dtype=np.intp)
    nearest = cross_distances(points, points[:1], metric)[:, 0]
    nearest[0] = 0.0
    for place in range(1, len(chosen)):
        chosen[place] = furthest = int(nearest.argmax())
        np.minimum(
            nearest, cross_distances(points, points[furthest : furthest + 1], metric)[:, 0], out=nearest
        )
        nearest[furthest] = 0.0
    return chosen, float(nearest.max(initial=0.0))
