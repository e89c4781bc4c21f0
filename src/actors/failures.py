"""Counts the rows on which each system failed for good, and ends the stage when there are too many.

Called by ``backend_call``. The model and every baseline count by themselves, since a comparison with either
broken is worth nothing. A member of an ensemble may fail, the vote makes up for it: what counts is the row
that lost its vote because members failed. A member that fails too often is noted in the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..messages.errors import StageError
from ..messages.records import Ballots, Output

__all__ = ["Failures", "lost_vote"]


@dataclass(slots=True)
class _Count:
    rows: int = 0
    first: str = ""

    def add(self, error: str) -> None:
        self.rows += 1
        self.first = self.first or error


class Failures:
    """Of one run; ``most`` is the share of its rows on which a system may fail."""

    def __init__(self, most: float, *, quorum: int = 0) -> None:
        self._most = most
        self._quorum = quorum
        self._systems: dict[str, _Count] = {}
        self._members: dict[str, _Count] = {}
        self.total: int | None = None
        """The rows, when they are known beforehand."""

    def add(self, output: Output) -> None:
        """Count an output; raises StageError when so many failed that the rest cannot make up for it."""
        ballots = output.ballots
        error = output.error or (lost_vote(ballots, self._quorum) if ballots is not None else None)
        if error is not None:
            self._systems.setdefault(output.system, _Count()).add(error)
            if self.total is not None:
                self.check(self.total)
        for member in ballots.members if ballots is not None else ():
            if member.error is not None:
                self._members.setdefault(member.system, _Count()).add(member.error)

    def check(self, rows: int) -> None:
        """Raise StageError when a system failed on too many of so many rows."""
        for name, told in self._too_many(self._systems, rows):
            raise StageError("backend_call", f"{name}: {told}")

    def note(self, rows: int) -> str | None:
        """Which members failed too often, in one line; None when none did."""
        told = [f"member {name}: {text}" for name, text in self._too_many(self._members, rows)]
        return "; ".join(told) or None

    def _too_many(self, counts: dict[str, _Count], rows: int) -> Iterable[tuple[str, str]]:
        for name, count in counts.items():
            if count.rows > self._most * rows:
                told = f"{count.rows} of {rows} requests failed, more than max_failed = {self._most:g}"
                yield name, f"{count.first} ({told})"


def lost_vote(ballots: Ballots, quorum: int) -> str | None:
    """Why a vote has no outcome when it is that members failed; None when it has, or for other reasons."""
    unheard = len(ballots.failed) + len(ballots.cancelled) + len(ballots.not_asked)
    short = ballots.status == "no_consensus" and ballots.votes < quorum <= ballots.votes + unheard
    if not short or not ballots.failed:
        return None
    told = "; ".join(f"{name}: {reason}" for name, reason in ballots.failed.items())
    return f"{ballots.votes} votes, the quorum is {quorum}: {told}"
