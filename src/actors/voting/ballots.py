"""What goes into a vote and what comes out.

Called by every strategy and by whoever asks the members. Counts nothing itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import field

from ...messages.base import Message
from .normalise import Normaliser

__all__ = ["Ballot", "Poll", "Rules", "Silent", "Vote", "VoteResult", "poll"]


class Ballot(Message, frozen=True):
    """What one member answered; ``error`` is one line, and then there is no answer."""

    member: str
    text: str = ""
    confidence: float | None = None
    """Probability in [0, 1] that the member gives to its own answer, if it knows one."""
    error: str | None = None


class Silent(Message, frozen=True):
    """A member without a vote, and why."""

    member: str
    reason: str


class Vote(NamedTuple):
    """A ballot that counts."""

    member: str
    key: str
    """The normalised answer: equal keys are the same answer."""
    text: str
    confidence: float | None


class Poll(NamedTuple):
    """The ballots of one question, sorted out; all in the members' order."""

    votes: tuple[Vote, ...]
    abstained: tuple[Silent, ...]
    failed: tuple[Silent, ...]

    @property
    def members(self) -> int:
        """How many were asked."""
        return len(self.votes) + len(self.abstained) + len(self.failed)

    @property
    def agreement(self) -> float | None:
        """The largest share of the votes that are the same; None without a vote."""
        counts = Counter(vote.key for vote in self.votes)
        return max(counts.values()) / len(self.votes) if counts else None

    def voters(self, key: str) -> list[Vote]:
        """The votes for one answer."""
        return [vote for vote in self.votes if vote.key == key]


class Rules(Message, frozen=True):
    """When a vote counts."""

    quorum: int | None = None
    """Votes that must be cast; None: half of the members, rounded up."""
    min_agreement: float = 0.0
    """The share of the total score that the winner needs, in [0, 1]."""

    def needed(self, members: int) -> int:
        """Votes that must be cast of so many members, at least one."""
        return max(1, (members + 1) // 2 if self.quorum is None else self.quorum)


class VoteResult(Message, frozen=True):
    """The outcome of one vote."""

    status: Literal["decided", "no_consensus", "no_answers"]
    strategy: str
    reason: str
    """One line: why this outcome."""
    answer: str | None = None
    """The text of ``winner_member`` as it was given, None unless decided."""
    winner_member: str | None = None
    """Of those who gave the winning answer the most confident, the first of equals."""
    key: str | None = None
    support: int = 0
    """Members who gave the winning answer."""
    votes: int = 0
    """Members whose vote counted."""
    scores: dict[str, float] = field(default_factory=dict)
    consensus: float = 0.0
    """The highest score as a share of all scores (best_confidence: that confidence)."""
    agreement: float | None = None
    """The largest share of the votes that are the same; over claims the mean share behind each claim that was
    made. None without a vote."""
    tie: bool = False
    tie_rule: Literal["summed confidence", "member order"] | None = None
    """What broke the tie."""
    abstained: tuple[Silent, ...] = ()
    failed: tuple[Silent, ...] = ()


def poll(ballots: Sequence[Ballot], normalise: Normaliser) -> Poll:
    """Sort ballots into votes, abstentions and failures.

    Raises:
        ValueError: a member voted twice.
    """
    seen: set[str] = set()
    votes: list[Vote] = []
    abstained: list[Silent] = []
    failed: list[Silent] = []
    for ballot in ballots:
        if ballot.member in seen:
            raise ValueError(f"member {ballot.member!r} voted twice; expected one ballot for each member")
        seen.add(ballot.member)
        if ballot.error is not None:
            failed.append(Silent(member=ballot.member, reason=ballot.error))
            continue
        key, reason = normalise(ballot.text)
        if key is None:
            abstained.append(Silent(member=ballot.member, reason=reason))
        else:
            votes.append(Vote(ballot.member, key, ballot.text, ballot.confidence))
    return Poll(tuple(votes), tuple(abstained), tuple(failed))
