"""A circuit breaker: a backend that keeps failing is left alone for a while (Nygard 2007).

Called before and after every request to one backend. Time comes in as a number; nothing waits here.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["CircuitBreaker"]

BreakerState = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Closed until ``failures`` in a row; then open for ``open_s``; then one probe at a time.

    ``successes`` probes in a row close it, a failed one opens it again. Answers to requests that were sent
    before it opened change nothing: the caller hands back the ticket it got from ``admit``.
    """

    def __init__(self, failures: int = 5, open_s: float = 30.0, successes: int = 2) -> None:
        if min(failures, successes) < 1 or open_s <= 0:
            raise ValueError("circuit breaker: expected failures >= 1, successes >= 1 and open_s > 0")
        self._limit, self._open_s, self._needed = failures, open_s, successes
        self._failed = self._succeeded = 0
        self._opened_at: float | None = None
        self._era = 0
        self._probing = False

    def state(self, now: float) -> BreakerState:
        """Where it stands at ``now``."""
        if self._opened_at is None:
            return "closed"
        return "open" if now < self._opened_at + self._open_s else "half_open"

    def admit(self, now: float) -> int | None:
        """A ticket for one request, None when it may not be sent now."""
        state = self.state(now)
        if state == "open" or (state == "half_open" and self._probing):
            return None
        self._probing = state == "half_open"
        return self._era

    def retry_at(self) -> float | None:
        """When the next probe is due, None while closed."""
        return None if self._opened_at is None else self._opened_at + self._open_s

    def succeeded(self, now: float, ticket: int) -> None:
        """The request of this ticket was answered."""
        if ticket != self._era:
            return
        self._failed = 0
        if self.state(now) == "half_open":
            self._probing = False
            self._succeeded += 1
            if self._succeeded >= self._needed:
                self._opened_at = None
                self._era += 1

    def failed(self, now: float, ticket: int) -> None:
        """The request of this ticket failed in a way that blames the backend."""
        if ticket != self._era:
            return
        self._failed += 1
        if self.state(now) == "half_open" or self._failed >= self._limit:
            self._opened_at = now
            self._failed = self._succeeded = 0
            self._probing = False
            self._era += 1

    def abandoned(self, ticket: int) -> None:
        """The request of this ticket was cancelled: it says nothing, but a probe's place is free again."""
        if ticket == self._era:
            self._probing = False
