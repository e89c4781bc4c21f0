"""Persistent homology of one cloud of points, as a record.

Called by the TDA adapter, which the stage runs in threads or processes. A pure, blocking function.
"""

from __future__ import annotations

import math
from typing import Any

from ...messages.findings import Bar, PersistenceResult
from .distances import MetricName, as_points, distance_matrix, unique_rows
from .rips import Diagram, rips
from .vectors import entropy

__all__ = ["persistence"]


def persistence(
    points: Any,
    *,
    system: str = "",
    sno_id: str = "",
    metric: MetricName = "cosine",
    max_dimension: int = 1,
    persistence_threshold: float = 0.0,
    max_distance: float | None = None,
) -> PersistenceResult:
    """Vietoris-Rips persistence of ``points``, shape (n, d).

    ``betti`` counts, per dimension, the classes that never die and those that live for at least
    ``persistence_threshold`` in units of the metric. ``total_persistence``, ``max_persistence`` and
    ``entropy`` are over finite bars, 0 without one. Points that coincide are taken once: that changes no bar
    of positive length. ``max_distance`` truncates the filtration: classes still alive there never die.

    Raises InputError for NaN, infinities or another shape. Fewer than two points: ``too_few_points``.
    """
    array = as_points(points)
    if len(array) < 2:
        return PersistenceResult(
            system=system, sno_id=sno_id, status="too_few_points", n_points=len(array), method="none"
        )
    distinct = unique_rows(array)
    distances = distance_matrix(distinct, metric)
    diagrams, engine = rips(distances, max_dimension, math.inf if max_distance is None else max_distance)
    finite = [_finite_lengths(diagram) for diagram in diagrams]
    return PersistenceResult(
        system=system,
        sno_id=sno_id,
        status="ok",
        n_points=len(array),
        method=f"vietoris_rips Z/2, {metric}, {engine}",
        betti={str(k): _betti(diagram, persistence_threshold) for k, diagram in enumerate(diagrams)},
        bars=tuple(_bars(diagrams)),
        total_persistence={str(k): math.fsum(lengths) for k, lengths in enumerate(finite)},
        max_persistence={str(k): max(lengths, default=0.0) for k, lengths in enumerate(finite)},
        entropy={str(k): entropy(lengths) for k, lengths in enumerate(finite)},
        notes=_notes(len(array) - len(distinct), max_distance),
    )


def _finite_lengths(diagram: Diagram) -> list[float]:
    return [death - birth for birth, death in diagram if death != math.inf]


def _betti(diagram: Diagram, threshold: float) -> int:
    return sum(death - birth >= threshold for birth, death in diagram)


def _bars(diagrams: list[Diagram]) -> list[Bar]:
    return [
        Bar(dimension=dimension, birth=birth, death=None if death == math.inf else death)
        for dimension, diagram in enumerate(diagrams)
        for birth, death in sorted(diagram)
    ]


def _notes(repeated: int, max_distance: float | None) -> str:
    notes = []
    if repeated:
        notes.append(f"{repeated} repeated point(s) taken once")
    if max_distance is not None:
        notes.append(f"truncated at distance {max_distance:g}")
    return "; ".join(notes)
