"""Counts of what one system was asked and answered."""

from __future__ import annotations

import math
from array import array
from typing import Any

from ..messages.records import Output, Race

__all__ = ["SystemTally"]


class SystemTally:
    """Requests, failures, attempts, latency, tokens and cost of one system; 16 bytes a request.

    Outputs may come in any order: sums of floats are rounded once, at the end, so that the order in which
    requests happened to be answered does not show in the figures.
    """

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self.asked = 0
        self.failed = self._cached = 0
        self.first_error: str | None = None
        self._attempts = self._answered = self._unsent = 0
        self._latencies = array("d")
        self._prompt_tokens = self._completion_tokens = 0
        self._estimated = False
        self._costs = array("d")
        self._cost_known = True
        self._duplicates = 0
        self._raced = False

    def add(self, output: Output) -> None:
        """Count one output."""
        self.asked += 1
        self._attempts += output.attempts
        if output.race is not None:
            self._add_race(output.race)
        if output.error is not None:
            self.failed += 1
            self.first_error = self.first_error or output.error
            return
        self._answered += 1
        if output.cached is None:
            self._latencies.append(output.latency_s)
        else:
            self._cached += 1
            self._unsent += output.attempts == 0
        self._prompt_tokens += output.usage.prompt_tokens
        self._completion_tokens += output.usage.completion_tokens
        self._estimated |= output.usage.estimated
        if output.cost_usd is None:
            self._cost_known = False
        else:
            self._costs.append(output.cost_usd)

    def _add_race(self, race: Race) -> None:
        """All that was sent beside the winner is paid for too, whether it won or lost."""
        self._raced = True
        self._duplicates += race.duplicates
        self._prompt_tokens += race.extra_usage.prompt_tokens
        self._completion_tokens += race.extra_usage.completion_tokens
        self._estimated |= race.extra_usage.estimated
        if race.extra_cost_usd is None:
            self._cost_known = False
        elif race.extra_cost_usd:
            self._costs.append(race.extra_cost_usd)

    def metrics(self) -> dict[str, Any]:
        """JSON-ready figures. Latencies are those of answered requests, in seconds, by nearest rank."""
        ordered = sorted(self._latencies)
        return {
            "backend": self._backend,
            "asked": self.asked,
            "failed": self.failed,
            "first_error": self.first_error,
            "retries": self._attempts - (self.asked - self._unsent) - self._duplicates,
            **({"cached": self._cached} if self._cached else {}),
            **({"duplicates": self._duplicates} if self._raced else {}),
            "latency_s": {
                "mean": sum(ordered) / len(ordered) if ordered else None,
                "p50": _rank(ordered, 50),
                "p95": _rank(ordered, 95),
                "p99": _rank(ordered, 99),
                "max": ordered[-1] if ordered else None,
            },
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "tokens_estimated": self._estimated,
            "cost_usd": math.fsum(self._costs) if self._cost_known and self._answered else None,
        }


def _rank(ordered: list[float], percent: int) -> float | None:
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
