"""Spans of a run as files, and what can be asked of them afterwards: see docs/trace.md."""

from .files import TraceFiles
from .mermaid import MermaidExporter, gantt
from .perfetto import PerfettoExporter
from .stored import StoredTrace, find_trace, read_trace

__all__ = [
    "MermaidExporter",
    "PerfettoExporter",
    "StoredTrace",
    "TraceFiles",
    "find_trace",
    "gantt",
    "read_trace",
]
