"""Adjusted p values of many comparisons.

Bonferroni and Holm (1979) bound the chance of any false verdict; Benjamini & Hochberg (1995) the expected
share of false ones, for independent or positively dependent tests; Benjamini & Yekutieli (2001) under any
dependence. Written out because ``scipy.stats.false_discovery_control`` costs 1.7 CPU seconds of import for
three lines; the tests hold the result against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...messages.base import Message
from ...messages.findings import Status
from .unfit import UnfitError, probability

__all__ = ["Correction", "adjust", "correct_p_values"]


class Correction(Message, frozen=True):
    """Adjusted p values in their order; empty with a status and a reason where there are none."""

    method: str
    alpha: float
    adjusted: tuple[float, ...] = ()
    rejected: tuple[bool, ...] = ()
    """Adjusted p at most alpha."""
    status: Status = "ok"
    reason: str | None = None


def correct_p_values(p_values: Sequence[float], method: str, *, alpha: float = 0.05) -> Correction:
    """Adjust the p values of one family after a look at them."""
    try:
        for number, p_value in enumerate(p_values, 1):
            probability(p_value, f"p value {number}", closed=True)
        probability(alpha, "alpha")
    except UnfitError as unfit:
        return Correction(method=method, alpha=alpha, status=unfit.status, reason=unfit.reason)
    adjusted = adjust(p_values, method)
    return Correction(
        method=method,
        alpha=alpha,
        adjusted=tuple(adjusted),
        rejected=tuple(value <= alpha for value in adjusted),
    )


def adjust(p_values: Sequence[float], method: str) -> list[float]:
    """The p values of one family, adjusted, in their order; ``method`` as in ``StatsConfig.correction``."""
    m = len(p_values)
    if method == "none":
        return list(p_values)
    if method == "bonferroni":
        return [min(1.0, m * p) for p in p_values]
    order = sorted(range(m), key=p_values.__getitem__)
    adjusted = [0.0] * m
    if method == "holm":
        running = 0.0
        for rank, index in enumerate(order):
            running = max(running, (m - rank) * p_values[index])
            adjusted[index] = min(1.0, running)
        return adjusted
    if method in ("benjamini_hochberg", "benjamini_yekutieli"):
        tests = m if method == "benjamini_hochberg" else m * math.fsum(1 / rank for rank in range(1, m + 1))
        running = 1.0
        for rank in range(m, 0, -1):
            index = order[rank - 1]
            running = min(running, p_values[index] * tests / rank)
            adjusted[index] = running
        return adjusted
    raise ValueError(f"unknown correction {method!r}")
