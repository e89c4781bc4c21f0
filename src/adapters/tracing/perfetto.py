"""Spans as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Source: "Trace Event Format" (Google), JSON array form: its closing bracket may be missing, so even the file
of a killed process opens. Spans are written as they end and not kept: memory grows with the number of lanes
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...messages.control import Artifact
from ...messages.errors import DatasetError
from ...messages.trace import Span
from .whole import WholeFile

__all__ = ["PerfettoExporter", "read_trace"]

PID = 1
MICROSECONDS = 1e6


class PerfettoExporter:
    """Implements ``actors.ports.SpanExporter``. One row ("thread") of the timeline per lane."""

    def __init__(self, path: Path, *, process_name: str = "crucible") -> None:
        self._file = WholeFile(path, "application/json")
        self._lanes: dict[str, int] = {}
        self._file.write(b"[\n" + _encode(_metadata("process_name", 0, name=process_name)))

    def export(self, spans: Sequence[Span]) -> None:
        """Append; spans that come after ``close`` are dropped."""
        if self._file.closed or not spans:
            return
        events = [event for span in spans for event in self._events(span)]
        self._file.write(b"".join(b",\n" + _encode(event) for event in events))

    def _events(self, span: Span) -> list[dict[str, Any]]:
        lane = span.lane or span.name
        known = lane in self._lanes
        thread = self._lanes.setdefault(lane, len(self._lanes) + 1)
        event = {
            "name": span.name,
            "cat": span.kind,
            "ph": "X",
            "ts": round(span.start_s * MICROSECONDS, 3),
            "dur": round(max(0.0, span.end_s - span.start_s) * MICROSECONDS, 3),
            "pid": PID,
            "tid": thread,
            "args": {
                "id": span.id,
                "parent_id": span.parent_id,
                "lane": span.lane,
                "status": span.status,
                "attributes": span.attributes,
            },
        }
        if known:
            return [event]
        order = _metadata("thread_sort_index", thread, sort_index=thread)
        return [_metadata("thread_name", thread, name=lane), order, event]

    def close(self) -> list[Artifact]:
        """Close the array and give the file its name. Idempotent."""
        if not self._file.closed:
            self._file.write(b"\n]\n")
        return [self._file.finish()]


def _metadata(event: str, thread: int, /, **args: str | int) -> dict[str, Any]:
    return {"name": event, "ph": "M", "pid": PID, "tid": thread, "args": args}


def _encode(event: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:
        return msgspec.json.encode(_repair(event))


def _repair(value: Any) -> Any:
    """Half surrogate pairs, which no UTF-8 can hold, become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repair(key): _repair(item) for key, item in value.items()}
    return [_repair(item) for item in value] if isinstance(value, list | tuple) else value


def read_trace(path: Path) -> list[Span]:
    """The spans of a file of ``PerfettoExporter``, in its order. Raises DatasetError naming the file."""
    try:
        events = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
        return [_span(event) for event in events if event["ph"] == "X"]
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", source=str(path)) from error
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise DatasetError(f"is not a trace of a run: {error}", source=str(path)) from error


def _span(event: dict[str, Any]) -> Span:
    start = event["ts"] / MICROSECONDS
    fields = {
        "name": event["name"],
        "kind": event["cat"],
        "start_s": start,
        "end_s": start + event["dur"] / MICROSECONDS,
        **event["args"],
    }
    return msgspec.convert(fields | {"type": "Span"}, Span)
