"""The critics on an answer made of claims: its object, their scores, and what they object to.

Called by the metrics adapter when critics are asked for. Pure. An answer states no confidence, so its object
holds the default of 0.5, and what critics make of confidence is the same for all answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ....messages.claims import ClaimDocument, CriticVerdict, PassageDocument
from ..parser import MAX_CLAIMS
from ..scores import Scores
from ..sno import Support, sno_of_answer
from .meta import WEIGHTS, judge
from .panel import CRITICS, critique
from .profiles import Profile

__all__ = ["CRITIC_SCORES", "VERDICT", "critic_methods", "critic_scores"]

VERDICT = "critic_verdict"
CRITIC_SCORES = (*(f"critic_{name}" for name in CRITICS), VERDICT)


def critic_scores(
    answer: ClaimDocument,
    example: str,
    passage: Sequence[PassageDocument],
    support: Support,
    profile: Profile,
) -> tuple[Scores, dict[str, Any]]:
    """A score of each critic and of the verdict, and the issues; all None for an answer without a claim.

    Args:
        answer: as the lenient grammar reads it; of its claims the first ``MAX_CLAIMS`` are judged.
        example: id of the example; ids of claims begin with it.
        passage: the documents of the prompt.
        support: how far a document bears out a claim; gives the validity of evidence.
        profile: what the critics compare texts with.
    """
    if len(answer.claims) > MAX_CLAIMS:
        answer = msgspec.structs.replace(answer, claims=answer.claims[:MAX_CLAIMS])
    sno = sno_of_answer(answer, example, passage, support)
    if sno is None:
        return dict.fromkeys(CRITIC_SCORES), {}
    verdict = judge(critique(sno, profile))
    scores: Scores = {f"critic_{report.critic}": report.score for report in verdict.reports}
    return scores | {VERDICT: verdict.score}, _details(verdict)


def critic_methods(profile: Profile) -> dict[str, str]:
    """The method of each score."""
    weights = " + ".join(f"{weight:.2f} {name}".lstrip("0") for name, weight in WEIGHTS["default"].items())
    lexical = {"causal", "bias"}
    return {f"critic_{name}": "lexical" if name in lexical else profile.name for name in CRITICS} | {
        VERDICT: f"{weights}, over the critics that could judge"
    }


def _details(verdict: CriticVerdict) -> dict[str, Any]:
    issues = {report.critic: list(report.issues) for report in verdict.reports if report.issues}
    conflicts = [[conflict.first, conflict.second] for conflict in verdict.conflicts]
    found: dict[str, Any] = {"level": verdict.level, "passed": verdict.passed}
    return found | ({"issues": issues} if issues else {}) | ({"conflicts": conflicts} if conflicts else {})
