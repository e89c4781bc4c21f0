"""``FileReportSink``: samples as they come, reports at the end, all below the folder of the run.

Called by the engine and by the report stage in worker threads, one call at a time. It does not decide what is
in a report: that is the ``RunReport`` it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...messages.control import Artifact
from ...messages.errors import OutputError
from ...messages.experiment import OutputSpec
from ...messages.flow import Sample
from ...messages.report import RunReport
from .files import write_whole
from .samples import SampleWriter
from .score_parquet import ParquetScoreWriter
from .score_table import ScoreWriter
from .text import encode_json

if TYPE_CHECKING:
    from .document import Document

__all__ = ["FileReportSink"]

ENDINGS = {"json": "json", "markdown": "md", "html": "html", "csv": "csv", "latex": "tex"}
PLOTS = frozenset({"svg", "png"})
"""Formats of which a report has a file for each plot."""
SCORE_WRITERS: dict[str, type[ScoreWriter | ParquetScoreWriter]] = {
    "csv": ScoreWriter,
    "parquet": ParquetScoreWriter,
}
RESERVED = frozenset({"trace.json", "scores.csv"})


class FileReportSink:
    """Implements ``actors.ports.ReportSink``. ``outputs`` name the reports and their formats."""

    def __init__(self, run_dir: Path, outputs: Sequence[OutputSpec]) -> None:
        self._folder = run_dir
        self._outputs = tuple(outputs)
        self._targets = _targets(outputs)
        self._samples = SampleWriter(run_dir)
        self._scores: list[ScoreWriter | ParquetScoreWriter] = []
        self._abandoned = threading.Event()
        formats = {format_name for output in outputs for format_name in output.formats}
        try:
            for format_name, writer in SCORE_WRITERS.items():
                if format_name in formats:
                    self._scores.append(writer(run_dir))
        except OutputError:
            self.abandon()
            raise

    def write_samples(self, samples: Sequence[Sample]) -> None:
        """Append to ``samples.jsonl.partial``, and to the files of scores that are wanted."""
        self._samples.write(samples)
        for scores in self._scores:
            scores.write(samples)

    def finish(self, report: RunReport) -> list[Artifact]:
        """Write every format of every output, and give ``samples.jsonl`` its name.

        Nothing is written before everything is rendered, and nothing at all once the run was abandoned: a run
        that was cancelled meanwhile must not leave a report that says it completed.
        """
        document: Document | None = None
        contents: list[tuple[str, bytes]] = []
        for name, format_name in self._targets:
            if format_name == "json":
                content = msgspec.json.format(encode_json(report), indent=2) + b"\n"
            else:
                from .build import build_document

                document = document or build_document(report)
                content = _render(document, report, format_name)
            contents.append((name, content))
        contents += self._plots(report)
        if self._abandoned.is_set():
            return []
        written = [write_whole(self._folder / name, content) for name, content in contents]
        scores = [writer.finish() for writer in self._scores]
        return [self._samples.finish(), *scores, *written]

    def _plots(self, report: RunReport) -> list[tuple[str, bytes]]:
        """``<output>-<plot>.svg`` and ``.png``, where they were asked for."""
        wanted = {output.name: PLOTS.intersection(output.formats) for output in self._outputs}
        if not any(wanted.values()):
            return []
        from .plots.files import plot_files

        drawn = list(plot_files(report, sorted(frozenset().union(*wanted.values()))))
        return [
            (f"{name}-{plot}", content)
            for name, formats in wanted.items()
            for plot, content in drawn
            if plot.rsplit(".", 1)[1] in formats
        ]

    def abandon(self) -> None:
        """Close; the samples so far stay in ``samples.jsonl.partial``, every line of it whole. Idempotent."""
        self._abandoned.set()
        self._samples.close()
        for scores in self._scores:
            scores.close()


def _render(document: Document, report: RunReport, format_name: str) -> bytes:
    if format_name == "markdown":
        from .markdown import render_markdown

        return render_markdown(document).encode()
    if format_name == "csv":
        from .csv_table import render_csv

        return render_csv(report).encode("utf-8", "replace")
    if format_name == "latex":
        from .latex import render_latex

        return render_latex(document).encode("utf-8", "replace")
    from .html import render_html

    return render_html(document, report).encode()


def _targets(outputs: Sequence[OutputSpec]) -> list[tuple[str, str]]:
    """File names with their formats, JSON first. Raises OutputError for a name that is taken."""
    found: dict[str, str] = {}
    for output in outputs:
        for format_name in dict.fromkeys(output.formats):
            if format_name == "parquet" or format_name in PLOTS:  # no file of the report's name
                continue
            name = f"{output.name}.{ENDINGS[format_name]}"
            if name in RESERVED:
                raise OutputError(f"outputs: {name} is a file of every run; choose another output name")
            if name in found:
                raise OutputError(f"outputs: two files would be called {name}; choose another output name")
            found[name] = format_name
    return sorted(found.items(), key=lambda item: tuple(ENDINGS).index(item[1]))
