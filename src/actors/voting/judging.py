"""Who was right, where the right answer is known. Pure functions.

Called by the council, with the ballots of one question and its reference. Over whole answers there is one
judgement: is a member's answer the reference, as the normaliser compares them? Over claims there is one for
each claim that a member or the reference makes: a member is right when it makes a claim that the reference
makes, or does not make one that the reference does not make either. The merged answer is judged alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .ballots import Poll, VoteResult
from .claims import CheckClaims

__all__ = ["Judgement", "judge_answer", "judge_claims"]


class Judgement(NamedTuple):
    """Of a whole answer, or of one claim."""

    right: dict[str, bool]
    """By member; one without a vote is missing."""
    ensemble: bool | None
    """None when the ensemble decided nothing."""
    confidence: float | None
    """Of the ensemble, before calibration; None when it has none, or when nobody made the claim."""
    holds: bool
    """What the confidence is about: that the answer is right, that the claim is in the reference."""


def judge_answer(poll: Poll, result: VoteResult, reference: str, confidence: float | None) -> Judgement:
    """``reference`` as it is compared."""
    decided = result.status == "decided"
    return Judgement(
        right={vote.member: vote.key == reference for vote in poll.votes},
        ensemble=result.key == reference if decided else None,
        confidence=confidence if decided else None,
        holds=decided and result.key == reference,
    )


def judge_claims(
    poll: Poll,
    result: VoteResult,
    reference: str,
    check: CheckClaims,
    weights: Sequence[float],
    min_agreement: float,
) -> list[Judgement]:
    """``weights`` are those of the votes; the confidence of a claim is its share of them."""
    names = [vote.member for vote in poll.votes]
    total = sum(weights)
    decided = result.status == "decided"
    judgements = []
    for part in check([vote.text for vote in poll.votes], reference):
        share = sum(weights[i] for i in part.answers) / total if total else 0.0
        won = share > 0 and (share > min_agreement * (1 + 1e-9) or share >= 1 - 1e-9)
        judgements.append(
            Judgement(
                right={name: (i in part.answers) == part.right for i, name in enumerate(names)},
                ensemble=won == part.right if decided else None,
                confidence=share if part.answers else None,
                holds=part.right,
            )
        )
    return judgements
