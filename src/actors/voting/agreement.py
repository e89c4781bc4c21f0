"""How far members err together.

Called by the report of a vote whose right answers are known. Votes are worth what their errors are
independent: five members that err together are one member.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...messages.base import Message

__all__ = ["Agreement", "ErrorCorrelation", "error_agreement"]


class ErrorCorrelation(Message, frozen=True):
    """Of two members."""

    left: str
    right: str
    items: int
    """Questions that both answered."""
    both_wrong: int
    correlation: float | None
    """Pearson's correlation of the errors (phi), in [-1, 1]; None when one is always or never wrong."""


class Agreement(Message, frozen=True):
    """Of all members."""

    pairs: tuple[ErrorCorrelation, ...]
    mean_correlation: float | None
    """Over the pairs that have one."""
    effective_voters: float | None
    """n / (1 + (n - 1) r): so many independent voters would vary as much (Kish 1965). At most n, the number
    of members that have a correlation."""


def error_agreement(correct: Mapping[str, Sequence[bool | None]]) -> Agreement:
    """Pairwise correlation of errors and the effective number of voters.

    Args:
        correct: for each member whether it was right, by question; None where it had no vote.

    Raises:
        ValueError: members have different numbers of questions.
    """
    if len({len(values) for values in correct.values()}) > 1:
        raise ValueError("error_agreement: expected as many questions for each member")
    names = list(correct)
    pairs = tuple(
        _pair(left, right, correct[left], correct[right])
        for i, left in enumerate(names)
        for right in names[i + 1 :]
    )
    known = [pair.correlation for pair in pairs if pair.correlation is not None]
    mean = math.fsum(known) / len(known) if known else None
    effective = None
    if mean is not None:
        count = len(
            {name for pair in pairs if pair.correlation is not None for name in (pair.left, pair.right)}
        )
        effective = count / (1 + (count - 1) * max(mean, 0.0))
    return Agreement(pairs=pairs, mean_correlation=mean, effective_voters=effective)


def _pair(
    left: str, right: str, mine: Sequence[bool | None], theirs: Sequence[bool | None]
) -> ErrorCorrelation:
    both = [(not a, not b) for a, b in zip(mine, theirs, strict=True) if a is not None and b is not None]
    count = len(both)
    wrong = sum(a and b for a, b in both)
    first, second = sum(a for a, _ in both), sum(b for _, b in both)
    spread = first * (count - first) * second * (count - second)
    correlation = (count * wrong - first * second) / math.sqrt(spread) if spread else None
    return ErrorCorrelation(left=left, right=right, items=count, both_wrong=wrong, correlation=correlation)
