"""Odds ratios: of two independent rates (Woolf 1955) and of pairs (exact, from the binomial).

A table with a 0 has an odds ratio of 0 or infinity: it gets a status, and the test of the table still holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from ...messages.findings import Interval
from .answers import Figure, UnfitError, figured, probability
from .table_tests import counts, two_by_two

__all__ = ["matched_odds_ratio", "odds_ratio"]


@figured("odds_ratio")
def odds_ratio(table: Sequence[Sequence[float]], *, level: float = 0.95) -> Figure:
    """A d / (b c) of the table ((a, b), (c, d))."""
    (a, b), (c, d) = two_by_two(table).tolist()
    if min(a, b, c, d) == 0:
        raise UnfitError("zero_cell", "a cell of the table is 0: the odds ratio is 0, infinite or undefined")
    value = a * d / (b * c)
    z = NormalDist().inv_cdf((1 + probability(level, "the level")) / 2)
    half = z * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    low, high = value * math.exp(-half), value * math.exp(half)
    interval = Interval(low=low, high=high, level=level, method="Woolf")
    return Figure(name="odds_ratio", value=value, n=a + b + c + d, interval=interval)


@figured("matched_odds_ratio")
def matched_odds_ratio(gained: int, lost: int, *, level: float = 0.95) -> Figure:
    """Gained / lost of paired 0/1 scores; the interval maps Clopper & Pearson's of the share gained."""
    from scipy.special import betaincinv

    gained, lost = counts([gained, lost])
    if min(gained, lost) == 0:
        raise UnfitError("zero_cell", "the odds ratio of the pairs is 0, infinite or undefined")
    tail = (1 - probability(level, "the level")) / 2
    low = float(betaincinv(gained, lost + 1, tail))
    high = float(betaincinv(gained + 1, lost, 1 - tail))
    interval = Interval(low=low / (1 - low), high=high / (1 - high), level=level, method="Clopper-Pearson")
    return Figure(name="matched_odds_ratio", value=gained / lost, n=gained + lost, interval=interval)
