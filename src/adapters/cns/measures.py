"""Figures of the CNS literature over narrative objects and challenges, each a formula of its own.

Called by the critics, the dialectic and whoever compares with published runs. Pure. Formulas and weights are
those of the reference implementation; what they assume is said at each. It rounds to 4 decimals, we do not.
None where a figure is not defined, never a perfect score for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...messages.claims import Challenge, Evidence, Sno
from .scores import Score, mean

__all__ = [
    "challenge_chirality",
    "chirality_of_challenges",
    "convergence_score",
    "evidence_score",
    "fisher_rao_distance",
    "is_critical",
    "sno_quality",
    "synthesis_confidence",
]

SEVERITY = {"high": 1.0, "medium": 0.6, "low": 0.3}
TYPE = {"contradiction": 1.0, "logical": 0.9, "evidence_gap": 0.7, "scope": 0.5, "alternative": 0.4}
CRITICAL_CONFIDENCE = 0.7
ENOUGH_EVIDENCE = 3


def challenge_chirality(challenge: Challenge) -> float:
    """Confidence · severity (1, .6, .3) · type (contradiction 1 ... alternative .4), in [0, 1]."""
    return challenge.confidence * SEVERITY[challenge.severity] * TYPE[challenge.type]


def chirality_of_challenges(challenges: Sequence[Challenge]) -> float:
    """The mean over the challenges; 0 when nobody objects."""
    return mean(map(challenge_chirality, challenges)) or 0.0


def is_critical(challenge: Challenge) -> bool:
    """High severity, and stated with a confidence of at least 0.7."""
    return challenge.severity == "high" and challenge.confidence >= CRITICAL_CONFIDENCE


def evidence_score(evidence: Sequence[Evidence]) -> float:
    """Mean validity; 0 without evidence, since nothing then speaks for the claim."""
    return mean(item.validity for item in evidence) or 0.0


def sno_quality(sno: Sno) -> float:
    """0.4·confidence + 0.4·mean(validity·relevance) + 0.2·min(1, items/3)."""
    worth = mean(item.validity * item.relevance for item in sno.evidence) or 0.0
    return 0.4 * sno.confidence + 0.4 * worth + 0.2 * min(1.0, len(sno.evidence) / ENOUGH_EVIDENCE)


def convergence_score(before: float, now: float) -> float:
    """1 − |change of confidence|, at least 0. It sees confidence alone, not whether the text has settled."""
    return max(0.0, 1.0 - abs(now - before))


def synthesis_confidence(thesis: Sno, antithesis: Sno, evidence: Sequence[Evidence]) -> float:
    """min(1, 0.4·thesis + 0.4·antithesis + 0.2·mean validity + 0.05).

    Without evidence the recursion c ← 0.8c + 0.05 falls to 0.25, so that it cannot converge.
    """
    return min(
        1.0, 0.4 * thesis.confidence + 0.4 * antithesis.confidence + 0.2 * evidence_score(evidence) + 0.05
    )


def fisher_rao_distance(left: Sequence[float], right: Sequence[float]) -> Score:
    """2·arccos(Σ √(p·q)) of two distributions over the same categories, in [0, π].

    Values are scaled to sum to 1; a vector of zeros counts as the uniform distribution. None when the lengths
    differ, there is no category, or a value is negative or not finite.
    """
    if len(left) != len(right) or not left:
        return None
    if any(not math.isfinite(value) or value < 0 for value in (*left, *right)):
        return None
    first, second = _scaled(left), _scaled(right)
    inner = math.fsum(math.sqrt(p * q) for p, q in zip(first, second, strict=True))
    return 2.0 * math.acos(min(1.0, max(-1.0, inner)))


def _scaled(values: Sequence[float]) -> list[float]:
    top = max(values)
    if top == 0:
        return [1.0 / len(values)] * len(values)
    total = math.fsum(value / top for value in values)
    return [value / top / total for value in values]
