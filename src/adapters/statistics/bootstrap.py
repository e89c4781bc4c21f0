"""Bootstrap of the mean difference: BCa interval (Efron 1987) and a p value, whole clusters resampled.

Pairs (or clusters) are drawn with replacement. When few different values occur, the draw is one multinomial
per resample, the same distribution at a fraction of the cost. The p value is (b + 1) / (B + 1), b the
resamples whose mean lies at least as many of their own standard errors from the observed difference as that
lies from 0 (Hall & Wilson 1991; Davison & Hinkley 1997, section 4.4). Rejected: the same without standard
errors, which at 5 % alarmed in 7 % of normal samples of 20 and in 11 % of samples of 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ...messages.findings import Interval
from .intervals import NO_SPREAD
from .pairs import Floats, Pairs

__all__ = ["Bootstrap", "bca_interval", "bootstrap_mean", "percentile_interval"]

CHUNK_CELLS = 2_000_000
MAX_DISTINCT = 64
FEW = 20
"""Below this many units the bootstrap's intervals are known to be too short."""


@dataclass(frozen=True)
class Bootstrap:
    """Interval and p value of a mean difference; ``interval`` is None when all resamples are equal."""

    interval: Interval | None
    p_value: float | None
    notes: str


def bootstrap_mean(pairs: Pairs, *, level: float, iterations: int, rng: np.random.Generator) -> Bootstrap:
    """Bootstrap the mean of ``pairs.difference``."""
    sums = pairs.per_cluster(pairs.difference)
    sizes = pairs.per_cluster(np.ones(pairs.n))
    observed = float(sums.sum() / sizes.sum())
    residuals = sums - observed * sizes
    shifts, errors = _resample(residuals, sizes, iterations, rng)
    means = observed + shifts
    if np.ptp(means) <= NO_SPREAD * np.abs(means).max():
        return Bootstrap(interval=None, p_value=None, notes="all resamples are equal")
    unit = "pairs" if pairs.cluster is None else "clusters"
    interval, fallback = bca_interval(means, observed, _acceleration(sums, sizes), level)
    error = math.sqrt(float(residuals @ residuals)) / float(sizes.sum())
    # a resample without spread lies infinitely many of its errors away
    extreme = int(np.sum(np.abs(shifts) * error >= abs(observed) * errors * (1 - 1e-12)))
    p_value = (extreme + 1) / (iterations + 1)
    notes = f"{iterations} resamples of {len(sums)} {unit}; {interval.method}, p from studentised means"
    few = f"; too optimistic with fewer than {FEW} {unit}" if len(sums) < FEW else ""
    return Bootstrap(interval=interval, p_value=p_value, notes=notes + fallback + few)


def _resample(
    residuals: Floats, sizes: Floats, iterations: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """How far the means of resamples lie from the observed mean, and their standard errors."""
    count, even = len(residuals), bool(np.ptp(sizes) == 0.0)
    columns = [residuals, residuals**2]
    if not even:
        columns += [sizes, residuals * sizes, sizes**2]
    total, squares, *others = _draw(np.column_stack(columns), iterations, rng).T
    if even:
        n: Floats = np.full(iterations, count * sizes[0])
        shifts, spread = total / n, squares - total**2 / count
    else:
        n, products, square_sizes = others
        shifts = total / n
        spread = squares - 2 * shifts * products + shifts**2 * square_sizes
    spread[spread <= NO_SPREAD * float(residuals @ residuals)] = 0.0
    return shifts, np.sqrt(spread) / n


def _draw(columns: Floats, iterations: int, rng: np.random.Generator) -> Floats:
    """Sums of the columns over the rows of each resample, shape (iterations, columns)."""
    units, counts = np.unique(columns, axis=0, return_counts=True)
    if len(units) <= MAX_DISTINCT:
        sums: Floats = rng.multinomial(len(columns), counts / len(columns), size=iterations) @ units
        return sums
    parts = []
    rows = max(1, CHUNK_CELLS // len(columns))
    for start in range(0, iterations, rows):
        drawn = rng.integers(0, len(columns), size=(min(rows, iterations - start), len(columns)))
        parts.append(np.stack([column[drawn].sum(axis=1) for column in columns.T], axis=1))
    return np.concatenate(parts)


def _acceleration(sums: Floats, sizes: Floats) -> float:
    """Skewness of the jackknife means (Efron 1987, eq. 7.3); 0 when they are all equal or there is one."""
    left = sizes.sum() - sizes
    if np.any(left == 0):
        return 0.0
    jackknife = (sums.sum() - sums) / left
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    return 0.0 if scale == 0.0 else float((spread**3).sum()) / (6 * scale)


def bca_interval(means: Floats, observed: float, acceleration: float, level: float) -> tuple[Interval, str]:
    """BCa limits of the resampled means; the percentile interval, with the reason, where BCa has none."""
    normal = NormalDist()
    tails = ((1 - level) / 2, (1 + level) / 2)
    tolerance = 1e-12 * float(np.abs(means).max())
    below = float(np.mean(means < observed - tolerance))
    tied = float(np.mean(np.abs(means - observed) <= tolerance))
    share = below + tied / 2
    if not 0.0 < share < 1.0:
        return percentile_interval(means, level), "; percentile interval: no bias correction exists"
    bias = normal.inv_cdf(share)
    shifted = []
    for tail in tails:
        z = bias + normal.inv_cdf(tail)
        stretch = 1 - acceleration * z
        if stretch <= 0:
            return percentile_interval(means, level), "; percentile interval: too skewed for BCa"
        shifted.append(normal.cdf(bias + z / stretch))
    low, high = np.quantile(means, shifted)
    return Interval(low=float(low), high=float(high), level=level, method="BCa bootstrap"), ""


def percentile_interval(means: Floats, level: float) -> Interval:
    """The quantiles of the resamples themselves."""
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return Interval(low=float(low), high=float(high), level=level, method="percentile bootstrap")
