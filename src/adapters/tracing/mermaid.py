"""Stage spans as a Mermaid Gantt chart, which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...messages.control import Artifact
from ...messages.trace import Span
from .mermaid_text import inert_label
from .whole import WholeFile

__all__ = ["MermaidExporter", "gantt"]

MAX_SPANS = 200
SHORT_S = 60


def gantt(spans: Sequence[Span], *, title: str = "Stages") -> str:
    """The chart of the ``stage`` spans in order of their start, in milliseconds since the run began."""
    found = [span for span in spans if span.kind == "stage"]
    stages = sorted(found, key=lambda span: (span.start_s, span.id))
    short = max((span.end_s for span in stages), default=0.0) < SHORT_S
    lines = [
        "gantt",
        f"    title {inert_label(title)}",
        "    dateFormat x",
        f"    axisFormat {'%S.%L' if short else '%M:%S'}",
        "    todayMarker off",
    ]
    for number, span in enumerate(stages, start=1):
        start = round(span.start_s * 1000)
        end = max(start + 1, round(span.end_s * 1000))
        tag = "done" if span.status == "ok" else "crit"
        name = inert_label(span.name)
        lines += [f"    section {name}", f"    {name} :{tag}, s{number}, {start}, {end}"]
    return "\n".join(lines) + "\n"


class MermaidExporter:
    """Implements ``actors.ports.SpanExporter``; keeps stage spans only (the first 200) for the end."""

    def __init__(self, path: Path) -> None:
        self._file = WholeFile(path, "text/vnd.mermaid")
        self._stages: list[Span] = []

    def export(self, spans: Sequence[Span]) -> None:
        """Note the stage spans."""
        room = MAX_SPANS - len(self._stages)
        self._stages += [span for span in spans if span.kind == "stage"][:room]

    def close(self) -> list[Artifact]:
        """Write the chart. Idempotent."""
        if not self._file.closed:
            self._file.write(gantt(self._stages).encode())
        return [self._file.finish()]
