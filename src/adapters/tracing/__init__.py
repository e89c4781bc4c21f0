"""Spans of a run as files: ``trace.json`` for Perfetto and Chrome, ``trace.mmd`` for Mermaid."""

from .files import TraceFiles
from .mermaid import MermaidExporter, gantt
from .perfetto import PerfettoExporter, read_trace

__all__ = ["MermaidExporter", "PerfettoExporter", "TraceFiles", "gantt", "read_trace"]
