"""Stored spans in another form, piece by piece, so that a long trace never is in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from .flowchart import flowchart
from .perfetto import events
from .query import Query
from .sequence import sequence
from .stored import StoredTrace
from .timeline import timeline
from .viewer import viewer

__all__ = ["FORMATS", "as_json", "as_perfetto"]


def as_json(trace: StoredTrace, query: Query) -> Iterator[bytes]:
    """A JSON list of spans as ``crucible.messages.trace.Span`` has them."""
    yield b"["
    for number, span in enumerate(query.select(trace.spans())):
        yield (b",\n" if number else b"\n") + msgspec.json.encode(span)
    yield b"\n]\n"


def as_perfetto(trace: StoredTrace, query: Query) -> Iterator[bytes]:
    """Chrome trace events, whole also when the stored ones are cut off."""
    yield from events(query.select(trace.spans()))


FORMATS: dict[str, Callable[[StoredTrace, Query], Iterator[bytes]]] = {
    "html": viewer,
    "mermaid": lambda trace, query: iter((flowchart(trace, query).encode(),)),
    "sequence": lambda trace, query: iter((sequence(trace, query).encode(),)),
    "timeline": lambda trace, query: iter((timeline(trace, query).encode(),)),
    "perfetto": as_perfetto,
    "json": as_json,
}
