"""Two runs, span by span: what is new, what is missing, what got slower, what ended or was decided otherwise.

Spans are the same when stage, kind, name and example are, and they are the n-th of these in their trace.
Keeps about 500 bytes for each span of the first run; the second is read past it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...messages.trace import Span
from .query import example_of
from .summary import Group, Sort, quantile, sort_of
from .wording import time_text

__all__ = ["Change", "Pace", "TraceDiff", "diff_traces"]

LISTED = 20
SLOWER = 1.5
SLOWER_S = 0.01


class _Key(NamedTuple):
    sort: Sort
    example: str
    number: int


class _Was(NamedTuple):
    seconds: float
    status: str
    decisions: tuple[str, ...]


class Change(NamedTuple):
    """A pair of spans that differ, or one without a partner."""

    sort: Sort
    example: str
    before: str
    after: str


class Pace(NamedTuple):
    """How long the spans of one sort took, in seconds."""

    sort: Sort
    before: tuple[int, float, float]
    """Their number, median and 99th percentile."""
    after: tuple[int, float, float]


@dataclass(slots=True)
class TraceDiff:
    """What was found; of each sort of change the first 20 are listed, of slower spans the worst 20."""

    same: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """By sort of change: new, missing, slower, status, decision."""
    listed: dict[str, list[Change]] = field(default_factory=dict)
    paces: list[Pace] = field(default_factory=list)

    def add(self, what: str, change: Change) -> None:
        """One more."""
        self.counts[what] += 1
        changes = self.listed.setdefault(what, [])
        if len(changes) < LISTED:
            changes.append(change)


def diff_traces(before: Iterable[Span], after: Iterable[Span]) -> TraceDiff:
    """Read both to their end."""
    found = TraceDiff()
    slow_before, slow_after = dict[Sort, Group](), dict[Sort, Group]()
    known = {key: _was(span) for key, span in _keyed(before, slow_before)}
    slower: list[tuple[float, int, Change]] = []
    for key, span in _keyed(after, slow_after):
        was = known.pop(key, None)
        now = _was(span)
        if was is None:
            found.add("new", Change(key.sort, key.example, "", f"{now.status}, {time_text(now.seconds)}"))
            continue
        found.same += 1
        if was.status != now.status:
            found.add("status", Change(key.sort, key.example, was.status, now.status))
        if was.decisions != now.decisions:
            texts = (", ".join(each.decisions) or "none" for each in (was, now))
            found.add("decision", Change(key.sort, key.example, *texts))
        if now.seconds > SLOWER * was.seconds and now.seconds - was.seconds > SLOWER_S:
            found.counts["slower"] += 1
            change = Change(key.sort, key.example, time_text(was.seconds), time_text(now.seconds))
            entry = (now.seconds - was.seconds, -found.counts["slower"], change)
            (heapq.heappush if len(slower) < LISTED else heapq.heappushpop)(slower, entry)
    if slower:
        found.listed["slower"] = [change for _, _, change in sorted(slower, reverse=True)]
    for key, was in known.items():
        found.add("missing", Change(key.sort, key.example, f"{was.status}, {time_text(was.seconds)}", ""))
    found.paces = [
        Pace(sort, _pace(slow_before.get(sort)), _pace(slow_after.get(sort)))
        for sort in sorted({*slow_before, *slow_after})
    ]
    return found


def _keyed(spans: Iterable[Span], groups: dict[Sort, Group]) -> Iterable[tuple[_Key, Span]]:
    seen: Counter[tuple[Sort, str]] = Counter()
    interned: dict[Sort, Sort] = {}
    for span in spans:
        sort = sort_of(span)
        sort = interned.setdefault(sort, sort)
        groups.setdefault(sort, Group()).add(span)
        batch = span.attributes.get("batch")
        example = f"batch {batch}" if isinstance(batch, int) else example_of(span)
        number = seen[sort, example]
        seen[sort, example] += 1
        yield _Key(sort, example, number), span


def _was(span: Span) -> _Was:
    told = (f"{each.kind}: {each.chosen}" for each in span.decisions)
    return _Was(span.end_s - span.start_s, span.status, tuple(told))


def _pace(group: Group | None) -> tuple[int, float, float]:
    if group is None:
        return 0, 0.0, 0.0
    seconds = sorted(group.seconds)
    return len(seconds), quantile(seconds, 0.5), quantile(seconds, 0.99)
