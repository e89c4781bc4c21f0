"""Small things that every score here shares."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["Score", "Scores", "f1", "jaccard", "mean", "share"]

Score = float | None
"""A figure, or None where it is not defined."""

Scores = dict[str, Score]


def share(part: float, whole: float) -> Score:
    """Quotient of part and whole, None when there is no whole."""
    return part / whole if whole else None


def mean(values: Iterable[Score]) -> Score:
    """Mean of the defined values, None when there is none."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def f1(common: float, left: float, right: float) -> Score:
    """Dice's 2·common / (left + right), which is F1; None when both are empty."""
    return share(2 * common, left + right)


def jaccard(left: Collection[str], right: Collection[str]) -> float:
    """Size of the intersection over that of the union; 0 when both are empty."""
    union = set(left) | set(right)
    return len(set(left) & set(right)) / len(union) if union else 0.0
