"""One verdict from several critics: a weighted mean, where they disagree, and what to do first.

The reference has this as a specification only. Weights by context, levels and the gate of 0.7 are its own.
A critic that could not judge has no say, and its weight goes to the others in proportion; with nobody left
there is no score and nothing passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Literal

from ....messages.claims import CriticConflict, CriticReport, CriticVerdict, Improvement

__all__ = ["CONFLICT", "PASS", "WEIGHTS", "Context", "judge"]

Context = Literal["default", "scientific", "philosophical", "empirical"]

WEIGHTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "default": {"grounding": 0.40, "logic": 0.30, "novelty": 0.15, "causal": 0.10, "bias": 0.05},
        "scientific": {"grounding": 0.50, "logic": 0.25, "causal": 0.15, "novelty": 0.05, "bias": 0.05},
        "philosophical": {"grounding": 0.20, "logic": 0.45, "causal": 0.10, "novelty": 0.15, "bias": 0.10},
        "empirical": {"grounding": 0.40, "logic": 0.20, "causal": 0.25, "novelty": 0.10, "bias": 0.05},
    }
)

PASS = 0.7
CONFLICT = 0.3
"""Two critics further apart than this disagree."""
WEAK = 0.6
"""A critic below this asks for an improvement."""

Level = Literal["excellent", "good", "acceptable", "poor", "unacceptable", "undefined"]
_LEVELS: tuple[tuple[float, Level], ...] = (
    (0.85, "excellent"),
    (0.70, "good"),
    (0.50, "acceptable"),
    (0.30, "poor"),
)
_ACTIONS = {
    "grounding": "cite evidence that is sound, about the claim, and from different sources",
    "logic": "break circles, resolve contradicting statements, add evidence that bears the claim out",
    "novelty": "say in few words what the evidence does not say already",
    "bias": "word the claim neutrally and name the other side",
    "causal": "say how and when, or state a correlation as one",
}


def judge(
    reports: Sequence[CriticReport],
    weights: Mapping[str, float] = WEIGHTS["default"],
    *,
    passing: float = PASS,
) -> CriticVerdict:
    """Σ w·s / Σ w over the critics that have a weight and a score.

    Of two reports of one critic the first counts. ValueError for a weight below 0 or not finite.
    """
    if any(not math.isfinite(weight) or weight < 0 for weight in weights.values()):
        raise ValueError(f"weights of critics must be finite and at least 0, got {dict(weights)}")
    scores: dict[str, float] = {}
    for one in reports:
        if one.score is not None and weights.get(one.critic, 0.0) > 0:
            scores.setdefault(one.critic, one.score)
    total = math.fsum(weights[name] for name in scores)
    method = f"weighted mean of critics, passing from {passing:g}"
    if not scores:
        return CriticVerdict(
            score=None, level="undefined", passed=False, method=method, reports=tuple(reports), weights={}
        )
    share = {name: weights[name] / total for name in scores}
    score = min(1.0, math.fsum(share[name] * value for name, value in scores.items()))
    return CriticVerdict(
        score=score,
        level=next((level for least, level in _LEVELS if score >= least), "unacceptable"),
        passed=score >= passing,
        method=method,
        reports=tuple(reports),
        weights=share,
        band=(min(scores.values()), max(scores.values())),
        conflicts=tuple(_conflicts(scores)),
        strongest=max(scores, key=lambda name: share[name] * scores[name]),
        weakest=min(scores, key=lambda name: scores[name]),
        plan=_plan(scores, share, passing),
    )


def _conflicts(scores: Mapping[str, float]) -> list[CriticConflict]:
    pairs = combinations(scores.items(), 2)
    return [
        CriticConflict(first=one, second=other, difference=abs(left - right))
        for (one, left), (other, right) in pairs
        if abs(left - right) > CONFLICT
    ]


def _plan(scores: Mapping[str, float], share: Mapping[str, float], passing: float) -> tuple[Improvement, ...]:
    """For each weak critic what the verdict would gain if that critic just passed, most first."""
    steps = [
        Improvement(
            critic=name,
            action=_ACTIONS.get(name, f"raise what {name} looks at"),
            expected_gain=share[name] * max(0.0, passing - value),
        )
        for name, value in scores.items()
        if value < WEAK
    ]
    return tuple(sorted(steps, key=lambda step: -step.expected_gain))
