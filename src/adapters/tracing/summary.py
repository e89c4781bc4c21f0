"""A trace in figures: how many spans of what sort, how long they took, what was decided, what it cost.

Keeps 8 bytes for each span, and a line for each sort of span.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...messages.trace import Span
from .query import stage_of

__all__ = ["Group", "Sort", "TraceSummary", "quantile", "sort_of", "summarize"]

CHOICES = 1_000
KINDS = ("run", "stage", "batch", "train", "checkpoint", "vote", "dialectic", "request", "attempt", "hedge")


class Sort(NamedTuple):
    """What spans have in common that are counted together."""

    stage: str
    kind: str
    name: str


@dataclass(slots=True)
class Group:
    """The spans of one sort."""

    seconds: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[str] = field(default_factory=Counter)
    start_s: float = float("inf")

    def add(self, span: Span) -> None:
        """One more."""
        self.start_s = min(self.start_s, span.start_s)
        self.seconds.append(span.end_s - span.start_s)
        self.statuses[span.status] += 1


@dataclass(slots=True)
class TraceSummary:
    """All figures."""

    groups: dict[Sort, Group] = field(default_factory=dict)
    decisions: dict[str, Counter[str]] = field(default_factory=dict)
    """By sort of decision: how often what was chosen. At most 1,000 different choices each."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    end_s: float = 0.0
    run: Span | None = None

    def ordered(self) -> list[tuple[Sort, Group]]:
        """Stages as they began, in each the whole before its parts."""
        began: dict[str, float] = {}
        for sort, group in self.groups.items():
            began[sort.stage] = min(began.get(sort.stage, group.start_s), group.start_s)
        return sorted(
            self.groups.items(),
            key=lambda item: (began[item[0].stage], item[0].stage, KINDS.index(item[0].kind), item[0].name),
        )

    @property
    def spans(self) -> int:
        """All of them."""
        return sum(len(group.seconds) for group in self.groups.values())


def sort_of(span: Span) -> Sort:
    """Where a span is counted."""
    return Sort(stage_of(span), span.kind, span.name)


def summarize(spans: Iterable[Span]) -> TraceSummary:
    """Count."""
    found = TraceSummary()
    for span in spans:
        found.groups.setdefault(sort_of(span), Group()).add(span)
        found.end_s = max(found.end_s, span.end_s)
        if span.kind == "run":
            found.run = span
        for decision in span.decisions:
            chosen = found.decisions.setdefault(decision.kind, Counter())
            known = decision.chosen in chosen or len(chosen) < CHOICES
            chosen[decision.chosen if known else "others"] += 1
        if "gen_ai.operation.name" in span.attributes:
            found.input_tokens += _count(span, "gen_ai.usage.input_tokens")
            found.output_tokens += _count(span, "gen_ai.usage.output_tokens")
            cost = span.attributes.get("cost_usd")
            found.cost_usd += cost if isinstance(cost, float | int) else 0.0
    return found


def _count(span: Span, key: str) -> int:
    value = span.attributes.get(key)
    return value if isinstance(value, int) else 0


def quantile(ascending: array[float] | list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    rank = -int(-share * len(ascending) // 1)
    return ascending[min(len(ascending), max(1, rank)) - 1]
