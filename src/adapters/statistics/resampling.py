"""Bootstrap intervals of any statistic: percentile and BCa (Efron 1987), seeded and vectorised.

``statistic`` reduces the last axis of an array, as ``numpy.mean(axis=-1)`` does: thousands of resamples
are one call. One sample, or the difference of a statistic between two independent ones. Mean differences of
pairs, with clusters, are in ``bootstrap``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .answers import Figure, UnfitError, column, columns, figured, probability
from .bootstrap import FEW, bca_interval, percentile_interval
from .intervals import NO_SPREAD
from .pairs import Floats, stream

__all__ = ["Statistic", "acceleration", "bootstrap_difference", "bootstrap_interval", "mean", "median"]

CHUNK_CELLS = 2_000_000

Statistic = Callable[[Floats], Floats]


def mean(values: Floats) -> Floats:
    """Mean along the last axis."""
    found: Floats = np.mean(values, axis=-1)
    return found


def median(values: Floats) -> Floats:
    """Median along the last axis."""
    found: Floats = np.median(values, axis=-1)
    return found


@figured("bootstrap")
def bootstrap_interval(
    values: Sequence[float],
    statistic: Statistic = mean,
    *,
    bca: bool = True,
    level: float = 0.95,
    iterations: int = 10_000,
    seed: int = 0,
) -> Figure:
    """The statistic of one sample."""
    x = column(values)
    drawn = _resample(x, statistic, iterations, stream(seed, "bootstrap"))
    observed = float(statistic(x))
    speed = acceleration([_jackknife(x, statistic)]) if bca else None
    return _figure(drawn, observed, speed, probability(level, "the level"), len(x), len(x))


@figured("bootstrap_difference")
def bootstrap_difference(
    first: Sequence[float],
    second: Sequence[float],
    statistic: Statistic = mean,
    *,
    bca: bool = True,
    level: float = 0.95,
    iterations: int = 10_000,
    seed: int = 0,
) -> Figure:
    """statistic(first) - statistic(second), independent samples, each resampled."""
    x, y = columns(first, second)
    rng = stream(seed, "bootstrap_difference")
    drawn = _resample(x, statistic, iterations, rng) - _resample(y, statistic, iterations, rng)
    observed = float(statistic(x)) - float(statistic(y))
    speed = acceleration([_jackknife(x, statistic), -_jackknife(y, statistic)]) if bca else None
    smaller = min(len(x), len(y))
    return _figure(drawn, observed, speed, probability(level, "the level"), len(x) + len(y), smaller)


def _figure(
    drawn: Floats, observed: float, speed: float | None, level: float, n: int, smallest: int
) -> Figure:
    name = "bootstrap"
    if np.isnan(drawn).any() or np.isnan(observed):
        raise UnfitError("not_a_number", "the statistic is not defined on some resamples")
    if np.ptp(drawn) <= NO_SPREAD * np.abs(drawn).max():
        raise UnfitError("constant", "all resamples give the same value")
    notes = f"{len(drawn)} resamples"
    if speed is None:
        interval = percentile_interval(drawn, level)
    else:
        interval, fallback = bca_interval(drawn, observed, speed, level)
        notes += fallback
    if smallest < FEW:
        notes += f"; too optimistic with fewer than {FEW} values"
    return Figure(name=name, value=observed, n=n, interval=interval, method=interval.method, notes=notes)


def _resample(x: Floats, statistic: Statistic, iterations: int, rng: np.random.Generator) -> Floats:
    rows = max(1, CHUNK_CELLS // len(x))
    return np.concatenate(
        [
            statistic(x[rng.integers(0, len(x), (min(rows, iterations - start), len(x)))])
            for start in range(0, iterations, rows)
        ]
    )


def _jackknife(x: Floats, statistic: Statistic) -> Floats:
    """The statistic without each value in turn."""
    rows = max(1, CHUNK_CELLS // len(x))
    parts = []
    for start in range(0, len(x), rows):
        left_out = np.arange(start, min(start + rows, len(x)))
        keep = np.arange(len(x))[None, :] != left_out[:, None]
        parts.append(statistic(np.broadcast_to(x, keep.shape)[keep].reshape(len(left_out), -1)))
    return np.concatenate(parts)


def acceleration(jackknifes: Sequence[Floats]) -> float:
    """Efron's a from the jackknife values of each sample (Efron & Tibshirani 1993, eq. 14.15)."""
    cubes = squares = 0.0
    for values in jackknifes:
        n = len(values)
        influence = (n - 1) * (values.mean() - values)
        cubes += float((influence**3).sum()) / n**3
        squares += float((influence**2).sum()) / n**2
    return 0.0 if squares == 0.0 else cubes / (6 * squares**1.5)
