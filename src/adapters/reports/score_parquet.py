"""``scores.parquet``: the rows of ``scores.csv``, typed and compressed, for data frames.

Written when an output asks for the format parquet, a row group for every ``ROWS`` scores: memory stays flat.
Needs pyarrow. A score that is not defined is null; one that is infinite or NaN stays what it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...messages.control import Artifact
from ...messages.errors import OutputError, install_extra
from ...messages.flow import Sample
from .files import publish
from .score_table import COLUMNS, Row, score_rows

__all__ = ["ParquetScoreWriter"]

ROWS = 50_000
REPEATED = ("split", "group", "system", "metric", "method")
"""Columns of few different values, kept as a dictionary."""


class ParquetScoreWriter:
    """Appends to ``scores.parquet.partial``, which becomes ``scores.parquet`` when the run is whole.

    A parquet file has its table of contents at the end: one that was left partial cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OutputError when pyarrow is missing or the file cannot be written."""
        self._path = folder / "scores.parquet"
        self._partial = folder / "scores.parquet.partial"
        self._rows: list[Row] = []
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise OutputError(
                f"outputs: the format parquet needs pyarrow: {install_extra('parquet')}"
            ) from None
        text, repeated = pa.string(), pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(
            (name, pa.float64() if name == "value" else repeated if name in REPEATED else text)
            for name in COLUMNS
        )
        try:
            self._file: Any = self._partial.open("wb")
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error
        self._writer: Any = parquet.ParquetWriter(self._file, self._schema, compression="zstd")

    def write(self, samples: Sequence[Sample]) -> None:
        """Take the scores of the samples; they are written with the next row group."""
        if self._writer is None:
            raise OutputError(f"{self._path}: is already closed")
        self._rows += score_rows(samples)
        if len(self._rows) >= ROWS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array([_plain(value) for value in column], type=kind.type)
            for kind, column in zip(self._schema, columns, strict=True)
        ]
        self._rows = []
        try:
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror or error}") from error

    def finish(self) -> Artifact:
        """Write what is left, close and give the file its final name."""
        if self._rows:
            self._write_group()
        self.close()
        return publish(self._partial, self._path)

    def close(self) -> None:
        """Sync and close; the file keeps its partial name. Idempotent."""
        if self._writer is None:
            return
        writer, self._writer, self._rows = self._writer, None, []
        try:
            with self._file as file:
                writer.close()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror or error}") from error


def _plain(value: str | float | None) -> str | float | None:
    """Text as UTF-8 can hold it: a lone surrogate, from a model's JSON, becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
