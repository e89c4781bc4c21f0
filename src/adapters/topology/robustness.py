"""How much the diagram of a cloud hangs on single points, and on where exactly they lie.

Called by users, and by the TDA adapter when asked. Figures are bottleneck distances in the unit of the
metric, worst over dimensions, so they compare only within one embedding and metric. Each costs as many
diagrams as there are points, or trials. The bound to hold them against: under a true metric, moving every
point by at most r moves a diagram by at most 2r (Chazal, de Silva & Oudot 2014).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .distances import MetricName, as_points, distance_matrix, unique_rows
from .matching import bottleneck
from .rips import Diagram, EngineName, rips

__all__ = ["Robustness", "noise_sensitivity", "removal_sensitivity"]

MIN_POINTS = 3


class Robustness(NamedTuple):
    """How far the diagram moved, for each point or trial; empty with a ``status`` that says why."""

    status: str
    """``ok``, ``too_few_points`` (distinct ones) or ``not_finite``."""
    moved: tuple[float, ...] = ()

    @property
    def worst(self) -> float | None:
        """The largest move."""
        return max(self.moved, default=None)

    @property
    def mean(self) -> float | None:
        """The mean move."""
        return sum(self.moved) / len(self.moved) if self.moved else None

    def critical(self, count: int = 5) -> list[int]:
        """Positions of the points (or trials) that moved the diagram most, the worst first."""
        return sorted(range(len(self.moved)), key=lambda place: -self.moved[place])[:count]


def removal_sensitivity(
    points: Any, metric: MetricName = "cosine", max_dimension: int = 1, engine: EngineName = "auto"
) -> Robustness:
    """Take each point out in turn. A point with a twin moves nothing."""
    cloud, status = _cloud(points)
    if status != "ok":
        return Robustness(status)
    distances = distance_matrix(cloud, metric)
    whole = _diagrams(distances, max_dimension, engine)
    moved = []
    for place in range(len(cloud)):
        rest = np.delete(np.delete(distances, place, axis=0), place, axis=1)
        moved.append(_moved(whole, _diagrams(rest, max_dimension, engine)))
    return Robustness("ok", tuple(moved))


def noise_sensitivity(
    points: Any,
    scale: float,
    *,
    seed: int,
    trials: int = 20,
    metric: MetricName = "cosine",
    max_dimension: int = 1,
    engine: EngineName = "auto",
) -> Robustness:
    """Add Gaussian noise of standard deviation ``scale`` to every coordinate, ``trials`` times."""
    cloud, status = _cloud(points)
    if status != "ok":
        return Robustness(status)
    whole = _diagrams(distance_matrix(cloud, metric), max_dimension, engine)
    rng = np.random.default_rng(seed)
    moved = []
    for _ in range(trials):
        shaken = cloud + scale * rng.standard_normal(cloud.shape)
        moved.append(_moved(whole, _diagrams(distance_matrix(shaken, metric), max_dimension, engine)))
    return Robustness("ok", tuple(moved))


def _cloud(points: Any) -> tuple[NDArray[np.float64], str]:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim == 2 and not np.isfinite(array).all():
        return array, "not_finite"
    array = as_points(array)
    return array, "ok" if len(unique_rows(array)) >= MIN_POINTS else "too_few_points"


def _diagrams(distances: NDArray[np.float64], max_dimension: int, engine: EngineName) -> list[Diagram]:
    return rips(distances, max_dimension, name=engine)[0]


def _moved(left: list[Diagram], right: list[Diagram]) -> float:
    return max(bottleneck(one, other) for one, other in zip(left, right, strict=True))
