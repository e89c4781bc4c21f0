"""Bootstrap of the mean difference: BCa interval (Efron 1987) and a p value, whole clusters resampled.

Pairs (or clusters) are drawn with replacement. When few different values occur, the draw is one multinomial
per resample, the same distribution at a fraction of the cost. The p value comes from the bootstrap
distribution shifted to mean 0: (b + 1) / (B + 1), b the resamples at least as far from 0 as the observed
difference (Davison & Hinkley 1997, section 4.4).
"""

from __future__ import annotations

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
    means = _resample(sums, sizes, iterations, rng)
    if np.ptp(means) <= NO_SPREAD * np.abs(means).max():
        return Bootstrap(interval=None, p_value=None, notes="all resamples are equal")
    unit = "pairs" if pairs.cluster is None else "clusters"
    interval, fallback = bca_interval(means, observed, _acceleration(sums, sizes), level)
    extreme = int(np.sum(np.abs(means - observed) >= abs(observed) * (1 - 1e-12)))
    p_value = (extreme + 1) / (iterations + 1)
    notes = f"{iterations} resamples of {len(sums)} {unit}; p from the shifted bootstrap distribution"
    few = f"; too optimistic with fewer than {FEW} {unit}" if len(sums) < FEW else ""
    return Bootstrap(interval=interval, p_value=p_value, notes=notes + fallback + few)


def _resample(sums: Floats, sizes: Floats, iterations: int, rng: np.random.Generator) -> Floats:
    """Means of resamples, shape (iterations,)."""
    units, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    if len(units) <= MAX_DISTINCT:
        draws = rng.multinomial(len(sums), counts / len(sums), size=iterations)
        means: Floats = (draws @ units[:, 0]) / (draws @ units[:, 1])
        return means
    parts = []
    rows = max(1, CHUNK_CELLS // len(sums))
    for start in range(0, iterations, rows):
        drawn = rng.integers(0, len(sums), size=(min(rows, iterations - start), len(sums)))
        parts.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
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
