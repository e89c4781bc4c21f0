"""Loader of CSV files with a header line (RFC 4180; other delimiters allowed).

Every value is a string. An empty cell counts as absent, so an empty reference is no reference.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from ...messages.errors import DatasetError
from ...messages.experiment import DatasetRef
from .indexed import IndexedDataset, ScannedRow, open_indexed
from .lines import Line, LineFile
from .options import FileOptions, resolve_path
from .rows import RowError

__all__ = ["CsvLoader", "CsvOptions", "CsvSource"]


class CsvOptions(FileOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the ``csv`` loader."""

    delimiter: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1)] | None,
        Meta(description="What stands between cells; default: a tab in .tsv files, else a comma."),
    ] = None


class CsvSource:
    """The records of one file; a place is the byte offset of a record's first line.

    A record may span lines. One that breaks the quoting rules cannot be skipped, because nobody knows where
    the next one starts: it raises DatasetError whatever number of bad rows is tolerated.
    """

    def __init__(self, path: Path, *, delimiter: str, max_line_bytes: int) -> None:
        self._file = LineFile(path, max_line_bytes=max_line_bytes)
        self._delimiter = delimiter
        self._header: list[str] = []
        # A record without its closing quote would swallow the rest of the file; the limit is per process.
        csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes))

    @property
    def name(self) -> str:
        """The path."""
        return str(self._file.path)

    @property
    def sources(self) -> tuple[str, ...]:
        """The one file."""
        return (self.name,)

    def scan(self) -> Iterator[ScannedRow]:
        """Every record after the header. Raises DatasetError when there is none."""
        feed = _Feed(self._file.lines(), self.name)
        records = self._reader(feed)
        while (cells := self._next_record(records, feed)) is not None:
            if not cells:
                continue
            if not self._header:
                self._header = self._check_header(cells, feed.first.number)
                continue
            try:
                yield ScannedRow(feed.first.offset, feed.first.number, self._row(cells))
            except RowError as error:
                yield ScannedRow(feed.first.offset, feed.first.number, None, error)
        if not self._header:
            raise DatasetError("the file is empty", source=self.name)

    def row_at(self, place: int) -> dict[str, Any]:
        """The record that starts at byte ``place``."""

        def lines() -> Iterator[str]:
            offset = place
            while data := self._file.line_at(offset):
                offset += len(data)
                yield data.decode()

        try:
            return self._row(next(self._reader(lines())))
        except (csv.Error, UnicodeDecodeError, StopIteration) as error:
            raise RowError(f"no record: {error}") from None

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into the file."""
        self._file.check_unchanged()

    def sha256(self) -> str:
        """Of the file's bytes."""
        return self._file.sha256()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _next_record(self, records: Iterator[list[str]], feed: _Feed) -> list[str] | None:
        feed.start_record()
        try:
            return next(records, None)
        except csv.Error as error:
            raise DatasetError(f"not valid CSV: {error}", source=self.name, line=feed.first.number) from None

    def _check_header(self, cells: list[str], line: int) -> list[str]:
        repeated = [cell for number, cell in enumerate(cells) if cell in cells[:number]]
        if repeated:
            raise DatasetError(f"column {repeated[0]!r} stands twice", source=self.name, line=line)
        return cells

    def _row(self, cells: list[str]) -> dict[str, Any]:
        if len(cells) != len(self._header):
            raise RowError(f"{len(cells)} cells, but the header has {len(self._header)}")
        return {key: cell for key, cell in zip(self._header, cells, strict=True) if cell}


class _Feed:
    """Decoded lines for the csv module, which asks for one at a time; knows where the record began."""

    def __init__(self, lines: Iterator[Line], name: str) -> None:
        self._lines = lines
        self._name = name
        self._starting = True
        self.first = Line(0, 1, b"")

    def start_record(self) -> None:
        """The next line begins a record."""
        self._starting = True

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if self._starting:
            self.first, self._starting = line, False
        if line.data is None:
            raise DatasetError("the line is longer than max_line_bytes", source=self._name, line=line.number)
        try:
            text = line.data.decode()
        except UnicodeDecodeError as bad:
            problem = f"not UTF-8: byte 0x{line.data[bad.start]:02x} at byte {bad.start + 1}"
            raise DatasetError(problem, source=self._name, line=line.number) from None
        if "\x00" in text:
            raise DatasetError(
                "a NUL byte: is this a text file in UTF-8?", source=self._name, line=line.number
            )
        return text


class CsvLoader:
    """Implements ``ports.DatasetLoader``."""

    Options: ClassVar[type[msgspec.Struct]] = CsvOptions

    def open(self, ref: DatasetRef, options: CsvOptions, *, seed: int, base: Path) -> IndexedDataset:
        """Scan the file. Raises DatasetError."""
        path = resolve_path(options.path, base)
        delimiter = options.delimiter or ("\t" if ".tsv" in path.suffixes else ",")
        source = CsvSource(path, delimiter=delimiter, max_line_bytes=options.max_line_bytes)
        return open_indexed(source, ref, options, seed=seed)
