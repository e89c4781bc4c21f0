"""The stored spans of a run, read back one at a time, also while it runs and after it was killed.

Reads what ``perfetto`` writes: one event a line. A file that ends in the middle of a line, or without its
closing bracket, is the trace of a run that was killed or still works; all its whole lines are good.
Memory does not grow with the number of spans.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...messages.errors import DatasetError
from ...messages.trace import Decision, Span, SpanKind, SpanStatus
from .perfetto import MICROSECONDS, OPEN_SPAN

__all__ = ["StoredTrace", "find_trace", "read_trace"]

NAMES = ("trace.json", "trace.json.partial")


_Id = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Args(msgspec.Struct):
    id: _Id | None = None
    parent_id: _Id | None = None
    lane: str = ""
    status: SpanStatus = "ok"
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    # of an open span
    name: str = ""
    kind: SpanKind | None = None
    start_us: float = 0.0


class _Event(msgspec.Struct):
    ph: str
    name: str
    cat: SpanKind | None = None
    ts: float = 0.0
    dur: float = 0.0
    args: _Args = msgspec.field(default_factory=_Args)


_DECODER = msgspec.json.Decoder(_Event)


class StoredTrace:
    """The trace file of a run. ``cut_off`` is known once ``spans`` has come to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut_off = False

    def spans(self) -> Iterator[Span]:
        """In the order they ended; those that never did come last.

        These have status ``open`` and last up to the latest moment that the file knows of. Raises
        DatasetError naming file and line.
        """
        still_open: dict[int, Span] = {}
        latest = 0.0
        for span in self._written():
            latest = max(latest, span.end_s)
            if span.status == "open":
                still_open[span.id] = span
                continue
            still_open.pop(span.id, None)
            yield span
        for span in still_open.values():
            yield msgspec.structs.replace(span, end_s=max(latest, span.start_s))

    def run(self) -> Span | None:
        """The span of the run as it was first written; read no further than that."""
        return next((span for span in self._written() if span.kind == "run"), None)

    def _written(self) -> Iterator[Span]:
        self.cut_off = True
        try:
            with self.path.open("rb") as file:
                for event in self._events(file):
                    span = _span(event)
                    if span is not None:
                        yield span
        except OSError as error:
            raise DatasetError(f"cannot be read: {error.strerror}", source=str(self.path)) from error

    def _events(self, lines: Iterator[bytes]) -> Iterator[_Event]:
        decode = _DECODER.decode
        if next(lines, b"").strip() != b"[":
            raise self._wrong(1, "expected a line that holds nothing but [")
        for number, line in enumerate(lines, start=2):
            text = line.strip().removesuffix(b",")
            if text == b"]":
                self.cut_off = False
                continue
            if not self.cut_off and text:
                raise self._wrong(number, "more follows after its end")
            if not text:
                continue
            try:
                event = decode(text)
                whole = event.ph != "X" or (event.args.id is not None and event.cat is not None)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                if line.endswith(b"\n"):
                    raise self._wrong(number, str(error)) from error
                return  # the line that was being written when the run was killed
            if not whole:
                raise self._wrong(number, "a span without id or kind")
            yield event

    def _wrong(self, line: int, problem: str) -> DatasetError:
        return DatasetError(f"is not a trace of a run: {problem}", source=str(self.path), line=line)


def _span(event: _Event) -> Span | None:
    args = event.args
    if event.ph == "X" and args.id is not None and event.cat is not None:
        name, kind, start = event.name, event.cat, event.ts / MICROSECONDS
        end = start + event.dur / MICROSECONDS
    elif event.name == OPEN_SPAN and args.id is not None and args.kind is not None:
        name, kind, start = args.name, args.kind, args.start_us / MICROSECONDS
        end = start
    else:
        return None
    return Span(
        id=args.id,
        name=name,
        kind=kind,
        start_s=start,
        end_s=end,
        parent_id=args.parent_id,
        lane=args.lane,
        status=args.status,
        attributes=args.attributes,
        decisions=args.decisions,
    )


def find_trace(run: str | Path, runs: Path = Path("runs")) -> StoredTrace:
    """The trace of a run folder, of an id below ``runs``, or a trace file itself.

    Raises DatasetError when there is none.
    """
    given = Path(run)
    if given.is_file():
        return StoredTrace(given)
    folder = given if given.is_dir() else runs / given
    if not folder.is_dir():
        places = f"neither {given} nor {folder} is" if folder != given else f"{given} is not"
        raise DatasetError(f"{places} the folder of a run")
    for name in NAMES:
        if (folder / name).is_file():
            return StoredTrace(folder / name)
    raise DatasetError("holds no trace.json: not the folder of a run", source=str(folder))


def read_trace(path: Path) -> list[Span]:
    """All spans of a trace file at once. Raises DatasetError naming the file."""
    return list(StoredTrace(path).spans())
