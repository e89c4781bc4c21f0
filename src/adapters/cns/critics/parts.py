"""The common shape of a critic: parts in [0, 1] with weights that sum to 1, and issues in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ....messages.claims import CriticReport, Sno
from ..text import known_tokens

__all__ = ["report", "unread", "words"]


def words(text: str) -> tuple[str, ...]:
    """All words of a text, in order."""
    return known_tokens(text)


def report(
    critic: str,
    profile: str,
    parts: Mapping[str, tuple[float, float]],
    issues: Sequence[str] = (),
    **details: Any,
) -> CriticReport:
    """Σ weight · value of ``parts`` (name to weight and value), with the formula as the method."""
    score = math.fsum(weight * value for weight, value in parts.values())
    formula = " + ".join(f"{weight:.2f} {name}".lstrip("0") for name, (weight, _) in parts.items())
    return CriticReport(
        critic=critic,
        score=min(1.0, max(0.0, score)),
        method=f"{profile}: {formula}",
        issues=tuple(issues),
        details={name: value for name, (_, value) in parts.items()} | details,
    )


def unread(critic: str, profile: str, sno: Sno) -> CriticReport | None:
    """A report without a score for a claim that has no word, None for any other."""
    if words(sno.claim):
        return None
    return CriticReport(critic=critic, score=None, method=profile, issues=("the claim has no word",))
