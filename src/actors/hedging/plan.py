"""What a hedging policy is asked, what it answers and what it learns from.

Called by every policy and by whoever runs the races. Decides nothing itself.
"""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol

from ...messages.base import Message

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "HedgePlan",
    "HedgePolicy",
    "Race",
    "RequestFeatures",
    "coin",
    "is_control",
    "staggered_delays",
]

AttemptOutcome = Literal["answered", "cancelled", "timed_out", "failed"]


class RequestFeatures(Message, frozen=True):
    """What is known of a request before it is sent."""

    prompt_chars: int = 0
    max_tokens: int = 512
    complexity: Literal["simple", "medium", "complex"] = "medium"
    period: Literal["peak", "normal", "off_peak"] = "normal"
    priority: Literal["high", "normal", "low"] = "normal"


class HedgePlan(Message, frozen=True):
    """Send a duplicate after ``delay_s`` seconds with ``probability``, or never when ``delay_s`` is None."""

    delay_s: float | None
    probability: float = 1.0
    reason: str = ""
    quantile: float | None = None
    """The share of first requests that are expected to be done by ``delay_s``, None when not estimated."""

    def fires(self, drawn: float) -> bool:
        """Whether a request that is still open after the delay is duplicated; ``drawn`` is in [0, 1)."""
        return self.delay_s is not None and drawn < self.probability


class Attempt(Message, frozen=True):
    """One request of a race: the first (``started_s`` 0) or a duplicate."""

    started_s: float
    """Seconds after the start of the first."""
    latency_s: float
    """Seconds since its own start; a lower bound when ``censored``."""
    outcome: AttemptOutcome

    @property
    def censored(self) -> bool:
        """True when it would have taken longer: it was cancelled or timed out."""
        return self.outcome in ("cancelled", "timed_out")


class Race(Message, frozen=True):
    """A request and its duplicates, all of them settled. ``attempts[0]`` is the first."""

    attempts: tuple[Attempt, ...]
    winner: int | None
    """Index of the attempt whose answer was taken, None when all failed."""
    delay_s: float | None = None
    """The delay that was planned."""
    control: bool = False
    """True when the loser was let run to its end, so that the estimates stay honest."""

    @property
    def hedged(self) -> bool:
        """True when a duplicate was sent."""
        return len(self.attempts) > 1

    @property
    def total_s(self) -> float:
        """Seconds until the winner's answer; until the last attempt ended when there is no winner."""
        if self.winner is None:
            return max(attempt.started_s + attempt.latency_s for attempt in self.attempts)
        attempt = self.attempts[self.winner]
        return attempt.started_s + attempt.latency_s


class HedgePolicy(Protocol):
    """Chooses the delay of duplicates for the requests of one backend and one size class."""

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """When to duplicate the request that is sent now."""
        ...

    def observe(self, race: Race) -> None:
        """Learn from a race."""
        ...


def coin(seed: int, key: str, purpose: str) -> float:
    """A number in [0, 1) that depends on nothing else: the same over retries, restarts and orders."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{key}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def is_control(seed: int, key: str, share: float) -> bool:
    """Whether the losers of this request's race are let run to their end."""
    return coin(seed, key, "control") < share


def staggered_delays(delay_s: float, max_hedges: int, factor: float = 1.5) -> tuple[float, ...]:
    """When each of ``max_hedges`` duplicates starts: the gaps between them grow by ``factor``."""
    starts: list[float] = []
    start, gap = 0.0, delay_s
    for _ in range(max_hedges):
        start += gap
        starts.append(start)
        gap *= factor
    return tuple(starts)
