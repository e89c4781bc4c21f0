"""Persistent homology of one cloud of points, as a record.

Called by the TDA adapter, which the stage runs in threads or processes. A pure, blocking function. Bad input
is a status of the record, since one odd answer must not end a run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ...messages.findings import Bar, PersistenceResult
from .distances import TRUE_METRICS, MetricName, as_points, distance_matrix, unique_rows
from .landmarks import farthest_points
from .rips import Diagram, EngineName, rips, worst_case_bytes
from .significance import ALPHA, MIN_LOOPS, MIN_POINTS, critical_life, critical_ratio
from .vectors import entropy

__all__ = ["MAX_MEMORY_MB", "persistence"]

MAX_MEMORY_MB = 4096
PARTIAL = "not judged: a truncated filtration or landmarks"


def persistence(
    points: Any,
    *,
    system: str = "",
    sno_id: str = "",
    metric: MetricName = "cosine",
    max_dimension: int = 1,
    persistence_threshold: float = 0.0,
    max_distance: float | None = None,
    engine: EngineName = "auto",
    landmarks: int | None = None,
    max_memory_mb: int = MAX_MEMORY_MB,
    seed: int = 0,
) -> PersistenceResult:
    """Vietoris-Rips persistence of ``points``, shape (n, d).

    ``betti`` counts, per dimension, the classes that never die and those that live for at least
    ``persistence_threshold`` in units of the metric. ``total_persistence``, ``max_persistence`` and
    ``entropy`` are over finite bars, 0 without one. Points that coincide are taken once: that changes no bar
    of positive length. ``max_distance`` truncates the filtration: classes still alive there never die. Of
    more than ``landmarks`` distinct points so many stand for all, and the notes say how well. ``significant``
    counts the bars that are more than noise where that can be judged, see ``significance.py``; ``seed`` is
    that of its resampling.

    Status: ``too_few_points`` below two, ``not_finite`` for NaN or infinities, ``identical_points`` when all
    coincide, ``too_large`` when the worst case would take more than ``max_memory_mb``. Raises InputError for
    another shape, or an engine that is not installed.
    """
    array = np.asarray(points, dtype=np.float64)
    blank = PersistenceResult(
        system=system, sno_id=sno_id, status="too_few_points", n_points=len(array), method="none"
    )
    if array.ndim == 2 and not np.isfinite(array).all():
        rows = int((~np.isfinite(array)).any(axis=1).sum())
        return replace(
            blank, status="not_finite", notes=f"{rows} of {len(array)} points hold NaN or infinity"
        )
    array = as_points(array)
    if len(array) < 2:
        return blank
    distinct, notes, thinned = _thin(array, metric, landmarks)
    needed = worst_case_bytes(len(distinct), max_dimension) >> 20
    if needed > max_memory_mb:
        advice = "allow more by max_memory_mb, or take landmarks"
        text = f"{len(distinct)} points in dimension {max_dimension} may take {needed} MB; {advice}"
        return replace(blank, status="too_large", notes="; ".join([*notes, text]))
    if max_distance is not None:
        notes.append(f"truncated at distance {max_distance:g}")
    distances = distance_matrix(distinct, metric)
    diagrams, name = rips(
        distances, max_dimension, math.inf if max_distance is None else max_distance, engine
    )
    finite = [_finite_lengths(diagram) for diagram in diagrams]
    partial = thinned or max_distance is not None
    critical, why = ({}, PARTIAL) if partial else _critical(distances, diagrams, metric, seed)
    return replace(
        blank,
        status="ok" if distances.any() else "identical_points",
        method=f"vietoris_rips Z/2, {metric}, {name}",
        betti={str(k): _betti(diagram, persistence_threshold) for k, diagram in enumerate(diagrams)},
        bars=tuple(_bars(diagrams)),
        total_persistence={str(k): math.fsum(lengths) for k, lengths in enumerate(finite)},
        max_persistence={str(k): max(lengths, default=0.0) for k, lengths in enumerate(finite)},
        entropy={str(k): entropy(lengths) for k, lengths in enumerate(finite)},
        significant={k: _beyond(diagrams[int(k)], int(k), limit) for k, limit in critical.items()},
        critical=critical,
        significance=why,
        notes="; ".join(notes),
    )


def _critical(
    distances: NDArray[np.float64], diagrams: list[Diagram], metric: MetricName, seed: int
) -> tuple[dict[str, float], str]:
    """Where significance begins in each dimension that can be judged, and how it was judged."""
    if len(distances) < MIN_POINTS:
        return {}, f"not judged: fewer than {MIN_POINTS} distinct points"
    found = {"0": critical_life(distances, metric, np.random.default_rng(seed))}
    how = [f"H0: {1 - ALPHA:.0%} subsampling band (Fasy et al. 2014), seed {seed}"]
    for dimension, diagram in enumerate(diagrams[1:], start=1):
        ratio = critical_ratio(diagram)
        if ratio is None:
            how.append(f"H{dimension}: not judged, fewer than {MIN_LOOPS} bars")
        else:
            found[str(dimension)] = ratio
            how.append(f"H{dimension}: universal null (Bobrowski & Skraba 2023), Bonferroni, {ALPHA:.0%}")
    return found, "; ".join(how)


def _beyond(diagram: Diagram, dimension: int, limit: float) -> int:
    return sum(death > (limit * birth if dimension else limit) for birth, death in diagram)


def _thin(
    points: NDArray[np.float64], metric: MetricName, landmarks: int | None
) -> tuple[NDArray[np.float64], list[str], bool]:
    """The distinct points, or landmarks of them; what was done; and whether landmarks were taken."""
    distinct = unique_rows(points)
    repeated = len(points) - len(distinct)
    notes = [f"{repeated} repeated point(s) taken once"] if repeated else []
    if landmarks is None or len(distinct) <= landmarks:
        return distinct, notes, False
    chosen, radius = farthest_points(distinct, landmarks, metric)
    text = f"{landmarks} landmarks of {len(distinct)} points by farthest-point sampling, "
    text += f"covering radius {radius:.4g}"
    if metric in TRUE_METRICS:
        text += f": bars are off by at most {2.0 * radius:.4g}"
    return distinct[chosen], [*notes, text], True


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
