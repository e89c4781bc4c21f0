"""A run as a Mermaid timeline: for each stage when it began and ended, its slowest parts, errors, decisions.

Reads the trace once; keeps ``TOLD`` spans of each of these for each stage.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from ...messages.trace import Span
from .mermaid_text import inert_label
from .query import Query, example_of, stage_of
from .stored import StoredTrace
from .wording import time_text, titled

__all__ = ["timeline"]

TOLD = 3


@dataclass(slots=True)
class _Section:
    slow: list[tuple[float, int, Span]] = field(default_factory=list)
    errors: list[Span] = field(default_factory=list)
    decided: list[Span] = field(default_factory=list)
    own: Span | None = None
    start_s: float = float("inf")

    def add(self, span: Span) -> None:
        self.start_s = min(self.start_s, span.start_s)
        if span.kind == "stage":
            self.own = span
            return
        entry = (span.end_s - span.start_s, -span.id, span)
        (heapq.heappush if len(self.slow) < TOLD else heapq.heappushpop)(self.slow, entry)
        if span.status == "error" and len(self.errors) < TOLD:
            self.errors.append(span)
        telling = any(each.kind != "hedge" for each in span.decisions)  # every raced request has that one
        if telling and len(self.decided) < TOLD:
            self.decided.append(span)


def timeline(trace: StoredTrace, query: Query) -> str:
    """The diagram of the spans that are meant."""
    sections: dict[str, _Section] = {}
    title = "run"
    for span in query.select(trace.spans()):
        if span.kind == "run":
            title = span.name
        else:
            sections.setdefault(stage_of(span), _Section()).add(span)
    lines = ["timeline", f"    title {inert_label(title)}"]
    for name, section in sorted(sections.items(), key=lambda item: item[1].start_s):
        lines.append(f"    section {inert_label(name)}")
        for at_s, told in sorted(_events(section)):
            lines.append(f"        {at_s:.3f} s : {' : '.join(told)}")
    return "\n".join(lines) + "\n"


def _events(section: _Section) -> list[tuple[float, list[str]]]:
    by_time: dict[float, list[str]] = {}
    if section.own is not None:
        own = section.own
        by_time.setdefault(round(own.start_s, 3), []).append("begins")
        by_time.setdefault(round(own.end_s, 3), []).append(f"ends - {own.status}")
    for seconds, _, span in sorted(section.slow, reverse=True):
        told = f"{_named(span)} takes {time_text(seconds)}"
        by_time.setdefault(round(span.start_s, 3), []).append(told)
    for span in section.errors:
        what = inert_label(str(span.attributes.get("error", "error")))
        by_time.setdefault(round(span.end_s, 3), []).append(f"{_named(span)} fails - {what}")
    for span in section.decided:
        decision = span.decisions[-1]
        told = f"{inert_label(decision.kind)} decides {inert_label(decision.chosen)}"
        by_time.setdefault(round(span.end_s, 3), []).append(f"{told} - {_named(span)}")
    return list(by_time.items())


def _named(span: Span) -> str:
    return inert_label(f"{titled(span.kind, span.name)} {example_of(span)}".strip())
