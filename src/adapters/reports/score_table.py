"""``scores.csv``: one line for each score of each output, written as the run goes, so memory stays flat.

Written when an output asks for the format csv. Long form, since metrics are not known beforehand and differ
between systems: ``pandas.pivot`` or R's ``pivot_wider`` make it wide.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ...messages.control import Artifact
from ...messages.errors import OutputError
from ...messages.flow import Sample
from .csv_table import plain_cell
from .files import publish

__all__ = ["COLUMNS", "Row", "ScoreWriter", "score_rows"]

COLUMNS = ("id", "split", "group", "system", "metric", "value", "method")
Row = tuple[str, str, str | None, str, str, float | None, str | None]


def score_rows(samples: Sequence[Sample]) -> list[Row]:
    """One row for each score, by ``COLUMNS``; a value is None where the score is not defined."""
    return [
        (
            sample.example.id,
            sample.example.split,
            sample.example.group,
            scored.system,
            name,
            value,
            scored.methods.get(name),
        )
        for sample in samples
        for scored in sample.scores
        for name, value in scored.scores.items()
    ]


class ScoreWriter:
    """Appends to ``scores.csv.partial``, which becomes ``scores.csv`` when the run is whole."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "scores.csv"
        self._partial = folder / "scores.csv.partial"
        try:
            self._file: BinaryIO | None = self._partial.open("wb")
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error
        self._append([COLUMNS])

    def write(self, samples: Sequence[Sample]) -> None:
        """Append the scores of the samples; one that is not defined has an empty value."""
        self._append(score_rows(samples))

    def _append(self, rows: Sequence[Sequence[object]]) -> None:
        if self._file is None:
            raise OutputError(f"{self._path}: is already closed")
        text = io.StringIO()
        csv.writer(text).writerows([plain_cell(value) for value in row] for row in rows)
        try:
            self._file.write(text.getvalue().encode("utf-8", "replace"))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error

    def finish(self) -> Artifact:
        """Close and give the file its final name."""
        self.close()
        return publish(self._partial, self._path)

    def close(self) -> None:
        """Sync and close; the file keeps its partial name. Idempotent."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with file:
            file.flush()
            os.fsync(file.fileno())
