"""Fragility: how thinly and unevenly a cloud of claims is spread.

Called by the surrogate adapter. It is a surrogate of the CNS literature, not an established statistic: the
mean distance dominates it, so compare it only between clouds of the same embedding and metric.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .distances import MetricName, as_points, distance_matrix

__all__ = ["fragility", "squash"]

NEIGHBOURS = 5
SCALE = 2.5


def fragility(points: Any, metric: MetricName = "cosine") -> float | None:
    """Fragility of ``points``, shape (n, d), in [0, 1); None for fewer than two points.

    With D the distances of each point to its k = min(5, n − 1) nearest neighbours, shape (n, k):
    x = mean over points of the population variance of its row + mean of D, and f = 2.5x / (2.5x + 1).
    """
    array = as_points(points)
    count = len(array)
    if count < 2:
        return None
    neighbours = min(NEIGHBOURS, count - 1)
    distances = distance_matrix(array, metric)
    distances.flat[:: count + 1] = np.inf  # a point is not its own neighbour, its duplicate is
    distances.sort(axis=1)
    nearest = distances[:, :neighbours]
    means = nearest.sum(axis=1, keepdims=True) / neighbours
    variance = ((nearest - means) ** 2).sum() / nearest.size
    return squash(float(variance + means.sum() / count))


def squash(spread: float) -> float:
    """Map a spread x >= 0 to 2.5x / (2.5x + 1), in [0, 1)."""
    return SCALE * spread / (SCALE * spread + 1.0)
