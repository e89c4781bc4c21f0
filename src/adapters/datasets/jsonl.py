"""Loader of JSON Lines files, plain or gzip: one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ...messages.errors import DatasetError
from ...messages.experiment import DatasetRef
from .indexed import IndexedDataset, ScannedRow, open_indexed
from .json_rows import decode_row
from .lines import LineFile
from .options import FileOptions, resolve_path
from .rows import RowError

__all__ = ["JsonlLoader", "JsonlOptions", "JsonlSource"]


class JsonlOptions(FileOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the ``jsonl`` loader."""


class JsonlSource:
    """The rows of one file; a place is a byte offset. Blank lines are no rows."""

    def __init__(self, path: Path, *, max_line_bytes: int) -> None:
        self._file = LineFile(path, max_line_bytes=max_line_bytes)
        self._max = max_line_bytes

    @property
    def name(self) -> str:
        """The path."""
        return str(self._file.path)

    @property
    def sources(self) -> tuple[str, ...]:
        """The one file."""
        return (self.name,)

    def scan(self) -> Iterator[ScannedRow]:
        """Every line that is not blank. Raises DatasetError when there is none."""
        blank = count = 0
        for line in self._file.lines():
            count = line.number
            if line.data is None:
                problem = RowError(f"the line is longer than max_line_bytes ({self._max:,} bytes)")
                yield ScannedRow(line.offset, line.number, None, problem)
            elif line.data.isspace():
                blank += 1
            else:
                yield self._decode(line.offset, line.number, line.data)
        if blank == count:
            found = f"has only blank lines ({count})" if count else "the file is empty"
            raise DatasetError(found, source=self.name)

    def row_at(self, place: int) -> dict[str, Any]:
        """The row that starts at byte ``place``."""
        return decode_row(self._file.line_at(place))

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into the file."""
        self._file.check_unchanged()

    def sha256(self) -> str:
        """Of the file's bytes."""
        return self._file.sha256()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    @staticmethod
    def _decode(offset: int, number: int, data: bytes) -> ScannedRow:
        try:
            return ScannedRow(offset, number, decode_row(data))
        except RowError as error:
            return ScannedRow(offset, number, None, error)


class JsonlLoader:
    """Implements ``ports.DatasetLoader``."""

    Options: ClassVar[type[msgspec.Struct]] = JsonlOptions

    def open(self, ref: DatasetRef, options: JsonlOptions, *, seed: int, base: Path) -> IndexedDataset:
        """Scan the file. Raises DatasetError."""
        source = JsonlSource(resolve_path(options.path, base), max_line_bytes=options.max_line_bytes)
        return open_indexed(source, ref, options, seed=seed)
