"""Who was right, where the right answer is known. Pure functions.

Called by the council, with the ballots of one question and its reference. Over whole answers there is one
judgement: is a member's answer the reference, as the normaliser compares them? Over claims there is one for
each claim that a member or the reference makes. There a member is right when it makes a claim of the
reference. A claim that the reference does not make counts for precision and calibration only: which of those
are looked at depends on the members, and error correlations over them would come out negative.
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
    """By member; one without a vote is missing, and all are on a claim that the reference does not make."""
    ensemble: bool | None
    """None when the ensemble decided nothing."""
    confidence: float | None
    """Of the ensemble, before calibration; None when it has none, or when nobody made the claim."""
    holds: bool
    """What the confidence is about: that the answer is right, that the claim is in the reference."""
    made: tuple[str, ...] = ()
    """Members that make this claim; empty over whole answers."""
    made_by_ensemble: bool = False


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
                right={name: i in part.answers for i, name in enumerate(names)} if part.right else {},
                ensemble=won if decided and part.right else None,
                confidence=share if part.answers and decided else None,
                holds=part.right,
                made=tuple(names[i] for i in part.answers),
                made_by_ensemble=won and decided,
            )
        )
    return judgements
