"""A vote over structured answers, part by part.

Called for the normaliser ``claims``. What a claim is and when two are the same is known to the function
that is handed in (the claim grammar lives elsewhere); here stand the rules of the vote. The answer is
merged from the parts that won, so it is no member's own text: ``winner_member`` is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from .ballots import Ballot, Poll, Rules, Silent, Vote, VoteResult

__all__ = ["CheckClaims", "CheckedPart", "ClaimsMerge", "Merged", "poll_claims", "vote_claims"]


class Merged(Protocol):
    """What a merge gives back, as far as the vote needs it."""

    @property
    def text(self) -> str | None:
        """The merged answer, None when no part won that an answer cannot do without."""
        ...

    @property
    def claims(self) -> Sequence[MergedPart]:
        """The claims that won."""
        ...

    @property
    def needed(self) -> float:
        """The weight that a part needed."""
        ...

    @property
    def agreement(self) -> float | None:
        """The mean share of the answers behind each claim that was made; None without a claim."""
        ...


class MergedPart(Protocol):
    """A claim that won."""

    @property
    def weight(self) -> float:
        """Of the members that stated it."""
        ...


class ClaimsMerge(Protocol):
    """Merges the answers of members; each has a weight."""

    def __call__(self, answers: Sequence[str], weights: Sequence[float], min_agreement: float) -> Merged:
        """The parts that have more than ``min_agreement`` of the total weight."""
        ...


class CheckedPart(Protocol):
    """A claim that an answer makes, or the reference."""

    @property
    def answers(self) -> Sequence[int]:
        """Positions of the answers that make it."""
        ...

    @property
    def right(self) -> bool:
        """Whether the reference makes it."""
        ...


class CheckClaims(Protocol):
    """Compares the claims of answers with those of a reference; the hypothesis is not among them."""

    def __call__(self, answers: Sequence[str], reference: str) -> Sequence[CheckedPart]:
        """Every claim that is made, each once."""
        ...


def vote_claims(
    ballots: Sequence[Ballot],
    merge: ClaimsMerge,
    weights: Mapping[str, float] | None = None,
    rules: Rules | None = None,
) -> tuple[VoteResult, Merged | None]:
    """Merge the members' answers; ``rules.min_agreement`` is the share that a part needs, 0 meaning a half.

    ``consensus`` is the mean share of the total weight behind the claims that won, and ``scores`` holds the
    weight of each, by its place in the merged answer.
    """
    rules = rules or Rules()
    poll = poll_claims(ballots)
    needed = rules.needed(poll.members)
    if len(poll.votes) < needed:
        told = f"{len(poll.votes)} of {poll.members} members voted, the quorum is {needed}"
        return _outcome(poll, "no_consensus" if poll.votes else "no_answers", told), None
    shares = [1.0 if weights is None else weights[vote.member] for vote in poll.votes]
    merged = merge([vote.text for vote in poll.votes], shares, rules.min_agreement or 0.5)
    if merged.text is None:
        return _outcome(
            poll, "no_consensus", f"no hypothesis has more than {merged.needed:.4g} votes", merged.agreement
        ), merged
    scores = {f"c{i}": part.weight for i, part in enumerate(merged.claims, start=1)}
    total = sum(shares)
    result = VoteResult(
        status="decided",
        strategy="claims",
        reason=f"{len(scores)} claims won with more than {merged.needed:.4g} of {total:.4g} votes each",
        answer=merged.text,
        key=merged.text,
        support=sum(vote.text.strip() == merged.text for vote in poll.votes),
        votes=len(poll.votes),
        scores=scores,
        consensus=sum(scores.values()) / len(scores) / total,
        agreement=merged.agreement,
        abstained=poll.abstained,
        failed=poll.failed,
    )
    return result, merged


def poll_claims(ballots: Sequence[Ballot]) -> Poll:
    """The ballots sorted out; whole texts are the keys."""
    votes, abstained, failed = [], [], []
    for ballot in ballots:
        if ballot.error is not None:
            failed.append(Silent(member=ballot.member, reason=ballot.error))
        elif not ballot.text.strip():
            abstained.append(Silent(member=ballot.member, reason="empty answer"))
        else:
            votes.append(Vote(ballot.member, ballot.text, ballot.text, ballot.confidence))
    return Poll(tuple(votes), tuple(abstained), tuple(failed))


def _outcome(poll: Poll, status: str, reason: str, agreement: float | None = None) -> VoteResult:
    return VoteResult(
        status="no_answers" if status == "no_answers" else "no_consensus",
        strategy="claims",
        reason=reason,
        agreement=agreement,
        votes=len(poll.votes),
        abstained=poll.abstained,
        failed=poll.failed,
    )
