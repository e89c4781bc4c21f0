"""Histograms of scores for the plots of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..messages.findings import Distribution

__all__ = ["histograms"]

BINS = 20


def histograms(metric: str, columns: Sequence[tuple[str, Sequence[float]]]) -> list[Distribution]:
    """One histogram of 20 equal bins per system, all over the same range so that they can be compared.

    The range is [0, 1] when every score lies in it, else from the lowest to the highest score. Undefined
    scores (NaN) are counted apart. Systems without a defined score are left out.
    """
    defined = {system: [v for v in values if math.isfinite(v)] for system, values in columns}
    everything = [value for values in defined.values() for value in values]
    if not everything:
        return []
    low, high = min(everything), max(everything)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        high = low + 1.0
    edges = [low + (high - low) * i / BINS for i in range(BINS + 1)]
    return [
        Distribution(
            metric=metric,
            system=system,
            edges=tuple(edges),
            counts=tuple(_counts(defined[system], low, high)),
            n_undefined=len(values) - len(defined[system]),
        )
        for system, values in columns
        if defined[system]
    ]


def _counts(values: Sequence[float], low: float, high: float) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    return counts
