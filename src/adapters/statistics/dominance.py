"""How often one sample is above the other: Cliff's delta and the matched-pairs rank-biserial correlation.

Cliff's delta is P(x > y) - P(x < y) over independent samples, and equals the rank-biserial correlation of
Mann-Whitney; its variance is the unbiased one (Feng & Cliff 2004). The matched-pairs r is (W+ - W-) / (W+ +
W-) of Wilcoxon (Kerby 2014), which is the mean sign of d_i + d_j over pairs of differences; its variance is
the jackknife's (Arvesen 1969). Both intervals are Cliff's asymmetric one, which cannot leave [-1, 1], with
quantiles of t. Where every comparison points the same way there is no variance, and the interval is (n -
t^2) / (n + t^2) to 1, n the smaller sample (Cliff 1996, p. 140).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...messages.findings import Interval
from .answers import Figure, UnfitError, columns, figured, paired_columns, probability
from .pairs import Floats, Pairs
from .rank_tests import signed_ranks
from .student import t_quantile

__all__ = ["cliffs_delta", "matched_rank_biserial"]


@figured("cliffs_delta")
def cliffs_delta(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> Figure:
    """P(first > second) - P(first < second); the rank-biserial correlation of Mann-Whitney."""
    x, y = columns(first, second)
    t = t_quantile((1 + probability(level, "the level")) / 2, len(x) + len(y) - 2)
    rows, ties = _dominance(x, y)
    cells = -_dominance(y, x)[0]
    delta = float(rows.mean())
    n, m = len(x), len(y)
    if abs(delta) == 1.0:
        low, high = _separated(min(n, m), t, delta)
    else:
        between = m * m * float(((rows - delta) ** 2).sum()) + n * n * float(((cells - delta) ** 2).sum())
        squares = n * m - ties - n * m * delta**2
        variance = (between - squares) / (n * m * (n - 1) * (m - 1))
        variance = max(variance, (1 - delta**2) / (n * m - 1))
        low, high = _asymmetric(delta, variance, t)
    interval = Interval(low=low, high=high, level=level, method="Cliff, asymmetric")
    return Figure(name="cliffs_delta", value=delta, n=n + m, interval=interval)


def _dominance(x: Floats, y: Floats) -> tuple[Floats, int]:
    """For each x the share of y below it minus the share above; and how many pairs tie."""
    ordered = np.sort(y)
    below, upto = np.searchsorted(ordered, x, "left"), np.searchsorted(ordered, x, "right")
    rows: Floats = (below - (len(y) - upto)) / len(y)
    return rows, int((upto - below).sum())


def _asymmetric(value: float, variance: float, t: float) -> tuple[float, float]:
    """Cliff's limits."""
    half = t * math.sqrt(variance * ((1 - value**2) ** 2 + t * t * variance))
    scale = 1 - value**2 + t * t * variance
    low, high = (value - value**3 - half) / scale, (value - value**3 + half) / scale
    return max(-1.0, low), min(1.0, high)


def _separated(n: int, t: float, value: float) -> tuple[float, float]:
    """Limits where every comparison points the same way."""
    inner = (n - t * t) / (n + t * t)
    return (inner, 1.0) if value > 0 else (-1.0, -inner)


@figured("matched_rank_biserial")
def matched_rank_biserial(first: Sequence[float], second: Sequence[float], *, level: float = 0.95) -> Figure:
    """(W+ - W-) / (W+ + W-) of the signed ranks, pairs without a difference left out."""
    x, y = paired_columns(first, second)
    difference = Pairs(system=x, baseline=y, cluster=None).difference
    moved = difference[difference != 0.0]
    n = len(moved)
    if n == 0:
        raise UnfitError("no_difference", "no pair differs")
    if n < 3:
        raise UnfitError("too_few", f"{n} of the 3 differing pairs that an interval needs")
    t = t_quantile((1 + probability(level, "the level")) / 2, n - 1)
    value = float(signed_ranks(moved).sum()) / (n * (n + 1) / 2)
    if abs(value) > 1 - 1e-12:
        value = math.copysign(1.0, value)
        low, high = _separated(n, t, value)
    else:
        low, high = _asymmetric(value, _jackknife(moved), t)
    interval = Interval(low=low, high=high, level=level, method="Cliff, asymmetric, jackknife")
    notes = f"{len(difference) - n} pairs without difference left out" if n < len(difference) else ""
    return Figure(name="matched_rank_biserial", value=value, n=n, interval=interval, notes=notes)


def _jackknife(moved: Floats) -> float:
    """Jackknife variance of the mean sign of d_i + d_j over i < j."""
    n = len(moved)
    ordered = np.sort(moved)
    above = n - np.searchsorted(ordered, -moved, "right")
    below = np.searchsorted(ordered, -moved, "left")
    parts = (above - below - np.sign(moved)) / (n - 1)
    return 4 * (n - 1) / n / (n - 2) ** 2 * float(((parts - parts.mean()) ** 2).sum())
