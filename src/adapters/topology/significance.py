"""Which bars are more than the noise of a random cloud. Called by persistence for clouds of enough points.

Pieces (dimension 0) by a confidence band from subsampling (Fasy, Lecci, Rinaldo, Wasserman, Balakrishnan &
Singh 2014): with q the 1 − α quantile of the Hausdorff distance between subsamples of n / ln n points and all
n, the points lie within 2q of the set that they were drawn from, asymptotically with probability 1 − α. A
connected set that is covered so well leaves no piece that lives longer than 4q.

Loops and voids by the universal null distribution (Bobrowski & Skraba 2023): for noise, ln ln(death / birth)
less its mean, less Euler's constant, follows the left-skewed Gumbel law whatever the cloud, which gives each
bar a p-value; it is corrected by Bonferroni. That the law is universal is a conjecture with much evidence.

Rejected for loops, by simulation: the band above, which would need thousands of points (8q), and the
bottleneck bootstrap, which calls loops significant in most clouds of Gaussian noise in 30 dimensions.

What this does not say: that a piece or a loop means anything. The points must be a sample, so no landmarks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .distances import MetricName
from .rips import Diagram

__all__ = ["ALPHA", "MIN_LOOPS", "MIN_POINTS", "critical_life", "critical_ratio"]

ALPHA = 0.05
MIN_POINTS = 30
"""Distinct points below which nothing is said."""

MIN_LOOPS = 5
"""Bars of one dimension below which the mean of the law says nothing."""

SUBSAMPLES = 199
_ROUNDING = 1e-6
"""A bar shorter than this share of its birth may be rounding (single precision)."""


def critical_life(distances: NDArray[np.float64], metric: MetricName, rng: np.random.Generator) -> float:
    """The life beyond which a piece is more than noise, from distances of shape (n, n), n >= 3.

    Cosine distance obeys no triangle inequality; the chord √(2 · distance) does, and orders pairs alike.
    """
    true = np.sqrt(2.0 * distances) if metric == "cosine" else distances
    size = len(true)
    few = math.ceil(size / math.log(size))
    apart = [float(true[rng.choice(size, few, replace=False)].min(axis=0).max()) for _ in range(SUBSAMPLES)]
    width = 4.0 * sorted(apart)[math.ceil((1.0 - ALPHA) * (SUBSAMPLES + 1) - 1e-9) - 1]
    return width * width / 2.0 if metric == "cosine" else width


def critical_ratio(diagram: Diagram) -> float | None:
    """The death / birth beyond which a loop or void is more than noise; None for fewer than 5 bars.

    p = exp(−e^l) with l = ln ln(death / birth) − mean − γ is below α / m exactly beyond this ratio.
    """
    ratios = [death / birth for birth, death in diagram if birth > 0.0 and death != math.inf]
    logs = [math.log(math.log(ratio)) for ratio in ratios if ratio > 1.0 + _ROUNDING]
    if len(logs) < MIN_LOOPS:
        return None
    limit = math.log(-math.log(ALPHA / len(logs))) + math.fsum(logs) / len(logs) + np.euler_gamma
    return math.exp(min(700.0, math.exp(limit)))  # 700: the largest that a float still holds
