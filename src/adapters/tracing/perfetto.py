"""Spans as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Source: "Trace Event Format" (Google), JSON array form: its closing bracket may be missing, so even the file
of a killed process opens. One event a line. Spans are written as they end and not kept: memory grows with the
number of lanes only. This file is also where the spans of a run are kept; ``stored`` reads it. A span that is
still open is metadata that other readers skip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...messages.control import Artifact
from ...messages.trace import Span
from .whole import WholeFile

__all__ = ["MICROSECONDS", "OPEN_SPAN", "PerfettoExporter", "events"]

OPEN_SPAN = "span_open"
PID = 1
MICROSECONDS = 1e6


class PerfettoExporter:
    """Implements ``actors.ports.SpanExporter``. One row ("thread") of the timeline per lane."""

    def __init__(self, path: Path) -> None:
        self._file = WholeFile(path, "application/json")
        self._lanes: dict[str, int] = {}
        self._file.write(BEGINNING)

    def export(self, spans: Sequence[Span]) -> None:
        """Append; spans that come after ``close`` are dropped."""
        if self._file.closed or not spans:
            return
        self._file.write(b"".join(_lines(span, self._lanes) for span in spans))

    def close(self) -> list[Artifact]:
        """Close the array and give the file its name. Idempotent."""
        if not self._file.closed:
            self._file.write(END)
        return [self._file.finish()]


def events(spans: Iterable[Span]) -> Iterator[bytes]:
    """The same file in pieces, without anything open at its end."""
    lanes: dict[str, int] = {}
    yield BEGINNING
    for span in spans:
        yield _lines(span, lanes)
    yield END


def _lines(span: Span, lanes: dict[str, int]) -> bytes:
    """A span, after what is to be known of its lane when it is the first there."""
    lane = span.lane or span.name
    known = lane in lanes
    thread = lanes.setdefault(lane, len(lanes) + 1)
    event = b",\n" + _encode(_event(span, thread))
    if known:
        return event
    name = _encode(_metadata("thread_name", thread, name=lane))
    order = _encode(_metadata("thread_sort_index", thread, sort_index=thread))
    return b",\n" + name + b",\n" + order + event


def _event(span: Span, thread: int) -> dict[str, Any]:
    args: dict[str, Any] = {
        "id": span.id,
        "parent_id": span.parent_id,
        "lane": span.lane,
        "status": span.status,
        "attributes": span.attributes,
    }
    if span.decisions:
        args["decisions"] = span.decisions
    start = round(span.start_s * MICROSECONDS, 3)
    if span.status == "open":
        kept = {"name": span.name, "kind": span.kind, "start_us": start, **args}
        return _metadata(OPEN_SPAN, thread, **kept)
    return {
        "name": span.name,
        "cat": span.kind,
        "ph": "X",
        "ts": start,
        "dur": round(max(0.0, span.end_s - span.start_s) * MICROSECONDS, 3),
        "pid": PID,
        "tid": thread,
        "args": args,
    }


def _metadata(event: str, thread: int, /, **args: Any) -> dict[str, Any]:
    return {"name": event, "ph": "M", "pid": PID, "tid": thread, "args": args}


_json = msgspec.json.Encoder(enc_hook=str).encode


def _encode(event: dict[str, Any]) -> bytes:
    try:
        return _json(event)
    except UnicodeEncodeError:
        return _json(_repair(msgspec.to_builtins(event, enc_hook=str)))


def _repair(value: Any) -> Any:
    """Half surrogate pairs, which no UTF-8 can hold, become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repair(key): _repair(item) for key, item in value.items()}
    return [_repair(item) for item in value] if isinstance(value, list | tuple) else value


BEGINNING = b"[\n" + _encode(_metadata("process_name", 0, name="crucible"))
END = b"\n]\n"
