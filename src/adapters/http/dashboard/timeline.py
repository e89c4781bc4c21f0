"""The spans of a run as bars in lanes: its stages, and the slowest of what they did."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ....messages.errors import DatasetError, NotFoundError
from ....messages.trace import Span
from ...tracing.stored import StoredTrace
from .drawing import Tick, ticks

__all__ = ["Bar", "Timeline", "read_timeline", "timeline"]

WIDTH, LABEL, RIGHT, ROW = 1160.0, 240.0, 34.0, 22.0
"""To the right there is room for half of the last tick's text."""
MOST_SLOW = 40
FILES = ("trace.json", "trace.json.partial")


@dataclass(frozen=True)
class Bar:
    """A span: its row, its place, and what is known of it."""

    name: str
    lane: str
    kind: str
    status: str
    start_s: float
    seconds: float
    x: float
    width: float
    y: float
    depth: int
    facts: tuple[tuple[str, str], ...]
    decisions: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Timeline:
    """Bars from top to bottom, stages first."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    seconds: float
    spans: int
    cut_off: bool


def read_timeline(folder: Path) -> Timeline:
    """Of a run, finished or not. Blocking; NotFoundError without a trace."""
    for name in FILES:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            trace = StoredTrace(path)
            try:
                return timeline(trace.spans(), cut_off=name.endswith(".partial"))
            except DatasetError as error:
                raise NotFoundError(f"the trace cannot be read: {error}") from None
    raise NotFoundError(f"run {folder.name} has no trace yet")


def timeline(spans: Iterable[Span], *, cut_off: bool = False) -> Timeline:
    """Run and stages in order of their start, then the slowest requests, votes and training steps."""
    whole: list[Span] = []
    slow: list[tuple[float, int, Span]] = []
    end, count = 0.0, 0
    for span in spans:
        count += 1
        end = max(end, span.end_s)
        if span.kind in ("run", "stage"):
            whole.append(span)
        elif span.kind in ("request", "vote", "train"):
            entry = (span.end_s - span.start_s, span.id, span)
            (heapq.heappush if len(slow) < MOST_SLOW else heapq.heappushpop)(slow, entry)
    whole.sort(key=lambda span: (span.kind != "run", span.start_s, span.id))
    slowest = sorted((span for *_, span in slow), key=lambda span: (span.start_s - span.end_s, span.id))
    scale = (WIDTH - LABEL - RIGHT) / end if end > 0 else 0.0
    bars = []
    for number, span in enumerate((*whole, *slowest)):
        depth = {"run": 0, "stage": 1}.get(span.kind, 2)
        gap = 14.0 if number >= len(whole) else 0.0
        bars.append(_bar(span, scale, 24.0 + number * ROW + gap, depth))
    return Timeline(
        width=WIDTH,
        height=24.0 + len(bars) * ROW + 24.0,
        bars=tuple(bars),
        ticks=tuple(Tick(LABEL + at * scale, f"{at:g} s") for at in ticks(0.0, end, 6)) if end else (),
        seconds=end,
        spans=count,
        cut_off=cut_off,
    )


def _bar(span: Span, scale: float, y: float, depth: int) -> Bar:
    seconds = max(0.0, span.end_s - span.start_s)
    facts = [(str(name), str(value)) for name, value in span.attributes.items()]
    example = span.attributes.get("example")
    return Bar(
        name=span.name if example is None else f"{example} {span.name}",
        lane=span.lane,
        kind=span.kind,
        status=span.status,
        start_s=span.start_s,
        seconds=seconds,
        x=round(LABEL + span.start_s * scale, 1),
        width=round(max(2.0, seconds * scale), 1),
        y=y,
        depth=depth,
        facts=tuple(facts[:20]),
        decisions=tuple((each.kind, each.chosen, each.why) for each in span.decisions[:10]),
    )
