"""Both trace files of a run behind one exporter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...messages.control import Artifact
from ...messages.trace import Span
from .mermaid import MermaidExporter
from .perfetto import PerfettoExporter

__all__ = ["TraceFiles"]


class TraceFiles:
    """Implements ``actors.ports.SpanExporter``: ``trace.json`` and ``trace.mmd`` in the folder of the run."""

    def __init__(self, run_dir: Path) -> None:
        self._exporters = (PerfettoExporter(run_dir / "trace.json"), MermaidExporter(run_dir / "trace.mmd"))

    def export(self, spans: Sequence[Span]) -> None:
        """Write to both."""
        for exporter in self._exporters:
            exporter.export(spans)

    def close(self) -> list[Artifact]:
        """Complete both files, the second even if the first cannot be completed. Idempotent."""
        first, second = self._exporters
        try:
            done = first.close()
        finally:
            more = second.close()
        return [*done, *more]
