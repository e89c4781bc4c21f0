"""What the summaries of the analysis adapters take from a column: the defined scores and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["defined", "mean"]


def defined(values: Sequence[float]) -> list[float]:
    """The values that are not NaN."""
    return [value for value in values if not math.isnan(value)]


def mean(values: Sequence[float]) -> float | None:
    """Mean of the defined values; None without any."""
    found = defined(values)
    return math.fsum(found) / len(found) if found else None
