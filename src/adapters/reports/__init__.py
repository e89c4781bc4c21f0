"""The files of a run: ``samples.jsonl`` while it runs, then reports as JSON, Markdown and HTML.

``FileReportSink`` implements ``actors.ports.ReportSink``. jinja2 and matplotlib are imported when an HTML
report is rendered, not before.
"""

from .sink import FileReportSink

__all__ = ["FileReportSink"]
