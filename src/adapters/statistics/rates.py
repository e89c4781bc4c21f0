"""Intervals of rates: one rate (Wilson 1927), two independent rates and two paired ones (Newcombe 1998)."""

from __future__ import annotations

import math

from ...messages.findings import Interval
from .intervals import wilson_interval

__all__ = ["newcombe", "newcombe_paired"]


def newcombe(first: int, n_first: int, second: int, n_second: int, level: float) -> Interval:
    """Interval of rate(first) - rate(second), independent: Newcombe's hybrid score method 10."""
    p, q = first / n_first, second / n_second
    a, b = wilson_interval(first, n_first, level), wilson_interval(second, n_second, level)
    return Interval(
        low=p - q - math.hypot(p - a.low, b.high - q),
        high=p - q + math.hypot(a.high - p, q - b.low),
        level=level,
        method="Newcombe",
    )


def newcombe_paired(both: int, gained: int, lost: int, neither: int, level: float) -> Interval:
    """Interval of the difference of two paired rates, (gained - lost) / n: Newcombe's paired method 10.

    The correlation of the pairs enters by phi with a continuity correction, as printed there.
    """
    n = both + gained + lost + neither
    p, q = (both + gained) / n, (both + lost) / n
    a, b = wilson_interval(both + gained, n, level), wilson_interval(both + lost, n, level)
    phi = _phi(both, gained, lost, neither)
    down, up, left, right = p - a.low, a.high - p, q - b.low, b.high - q
    return Interval(
        low=p - q - math.sqrt(max(0.0, down**2 - 2 * phi * down * right + right**2)),
        high=p - q + math.sqrt(max(0.0, up**2 - 2 * phi * up * left + left**2)),
        level=level,
        method="Newcombe, paired",
    )


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    n = both + gained + lost + neither
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - gained * lost)
    if product > 0:
        product = max(product - n / 2, 0.0)
    return product / math.sqrt(margins)
