"""Tiers: a cheap backend first, a better one when it is slow, fails or answers badly.

Called by the actor that runs one tiered race; this part only decides. An answer of any tier is judged when it
comes, whichever tier is being waited for. When no tier is left the race waits for those still running until
its deadline; then the best of the answers that were too poor is taken, and the decision says so.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .options import TieredOptions

__all__ = ["Decision", "TieredRace"]


class Decision(NamedTuple):
    """What to do now. Whatever runs when a race is over is to be cancelled: ``cancel``."""

    start: int | None = None
    """The tier to start."""
    wake_at: float | None = None
    """When to call ``tick`` if nothing happens before."""
    verdict: Literal["running", "accepted", "below_threshold", "failed"] = "running"
    accept: int | None = None
    """The tier whose answer is taken."""
    cancel: tuple[int, ...] = ()
    reason: str = ""


class TieredRace:
    """The state of one race over tiers."""

    def __init__(self, options: TieredOptions, now: float) -> None:
        self._tiers = options.tiers
        self._deadline = now + options.timeout_ms / 1000
        self._next = 0
        self._next_at = now
        self._running: set[int] = set()
        self._poor: dict[int, float] = {}
        self._errors: dict[int, str] = {}
        self._over = False

    def begin(self, now: float) -> Decision:
        """Start the first tier."""
        return self._start(now, "first tier")

    def answered(self, now: float, tier: int, quality: float | None) -> Decision:
        """A tier answered; ``quality`` in [0, 1], None when unknown, which passes no threshold."""
        if not self._close(tier):
            return Decision(verdict="running", reason="the race is over")
        needed = self._tiers[tier].min_quality
        if needed is None or (quality is not None and quality >= needed):
            return self._end("accepted", tier, f"{self._name(tier)} answered")
        self._poor[tier] = -1.0 if quality is None else quality
        told = "no confidence" if quality is None else f"confidence {quality:.3g}"
        return self._escalate(now, f"{self._name(tier)}: {told}, needs {needed:g}")

    def failed(self, now: float, tier: int, error: str) -> Decision:
        """A tier failed."""
        if not self._close(tier):
            return Decision(verdict="running", reason="the race is over")
        self._errors[tier] = error
        return self._escalate(now, f"{self._name(tier)} failed: {error}")

    def tick(self, now: float) -> Decision:
        """Time has passed."""
        if self._over:
            return Decision(reason="the race is over")
        if now >= self._deadline:
            return self._finish("the deadline has passed")
        if self._next < len(self._tiers) and now >= self._next_at:
            return self._start(now, f"{self._name(self._next - 1)} is slow")
        return self._wait("still waiting")

    def _close(self, tier: int) -> bool:
        known = tier in self._running and not self._over
        self._running.discard(tier)
        return known

    def _escalate(self, now: float, reason: str) -> Decision:
        if now < self._deadline and self._next < len(self._tiers):
            return self._start(now, reason)
        return self._wait(reason) if self._running and now < self._deadline else self._finish(reason)

    def _start(self, now: float, reason: str) -> Decision:
        tier = self._next
        self._next += 1
        self._next_at = now + self._tiers[tier].delay_ms / 1000
        self._running.add(tier)
        return self._wait(reason)._replace(start=tier)

    def _wait(self, reason: str) -> Decision:
        more = self._next < len(self._tiers)
        wake = min(self._next_at, self._deadline) if more else self._deadline
        return Decision(wake_at=wake, reason=reason)

    def _finish(self, reason: str) -> Decision:
        if self._poor:
            best = max(self._poor, key=lambda tier: (self._poor[tier], -tier))
            return self._end("below_threshold", best, f"{reason}; no tier reached its confidence")
        told = [f"{self._name(tier)}: {self._errors.get(tier, 'no answer')}" for tier in range(self._next)]
        return self._end("failed", None, "; ".join(told))

    def _end(
        self, verdict: Literal["accepted", "below_threshold", "failed"], tier: int | None, reason: str
    ) -> Decision:
        self._over = True
        cancel = tuple(sorted(self._running))
        self._running.clear()
        return Decision(verdict=verdict, accept=tier, cancel=cancel, reason=reason)

    def _name(self, tier: int) -> str:
        return f"tier {self._tiers[tier].name}"
