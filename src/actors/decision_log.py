"""What a stage decided in a batch, until its actor asks for it. Bounded: a batch tells at most 100.

Held by the works of ``data_checks``, ``guardrails`` and ``analysis_filter``.
"""

from __future__ import annotations

from ..messages.trace import Decision

__all__ = ["DecisionLog"]

TOLD = 100


class DecisionLog:
    """Decisions in their order."""

    def __init__(self) -> None:
        self._decisions: list[Decision] = []
        self._more = 0

    def add(self, decision: Decision) -> None:
        """Keep a decision, or count it when there are many."""
        if len(self._decisions) < TOLD:
            self._decisions.append(decision)
        else:
            self._more += 1

    def take(self) -> tuple[Decision, ...]:
        """All since the last time; the last one says how many it leaves out."""
        told = tuple(self._decisions)
        if self._more:
            kind = told[-1].kind
            told += (Decision(kind=kind, chosen=f"{self._more} more", why=f"only {TOLD} are listed"),)
        self._decisions, self._more = [], 0
        return told
