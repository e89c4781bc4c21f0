"""Loader of rows that are given in the options, for embedded runs and tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from ...messages.errors import DatasetError
from ...messages.experiment import DatasetRef
from .indexed import IndexedDataset, ScannedRow, open_indexed
from .options import RowOptions
from .rows import RowError

__all__ = ["MemoryLoader", "MemoryOptions", "MemorySource"]

_ENCODER = msgspec.json.Encoder(order="sorted")


class MemoryOptions(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the ``memory`` loader."""

    rows: Annotated[tuple[dict[str, Any], ...], Meta(description="The rows, each a table.")]


class MemorySource:
    """Rows in memory; a place is a position, a line is the row's number from 1."""

    def __init__(self, rows: tuple[dict[str, Any], ...], name: str) -> None:
        self._rows = rows
        self._name = name

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self._name

    @property
    def sources(self) -> tuple[str, ...]:
        """There is no file."""
        return ()

    def scan(self) -> Iterator[ScannedRow]:
        """Every row. Raises DatasetError when there is none."""
        if not self._rows:
            raise DatasetError("options.rows is empty", source=self._name)
        for place, row in enumerate(self._rows):
            yield self._check(place, row)

    def row_at(self, place: int) -> dict[str, Any]:
        """The row at position ``place``."""
        return self._rows[place]

    def check_unchanged(self) -> None:
        """Rows in memory are not watched."""

    def sha256(self) -> str:
        """Of the rows as JSON with sorted keys, one a line."""
        hashed = hashlib.sha256()
        for row in self._rows:
            hashed.update(_ENCODER.encode(row) + b"\n")
        return hashed.hexdigest()

    def close(self) -> None:
        """Nothing to close."""

    @staticmethod
    def _check(place: int, row: dict[str, Any]) -> ScannedRow:
        try:
            json.dumps(row, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            return ScannedRow(place, place + 1, None, RowError(f"cannot be written as JSON: {error}"))
        return ScannedRow(place, place + 1, row)


class MemoryLoader:
    """Implements ``ports.DatasetLoader``."""

    Options: ClassVar[type[msgspec.Struct]] = MemoryOptions

    def open(self, ref: DatasetRef, options: MemoryOptions, *, seed: int, base: Path) -> IndexedDataset:  # noqa: ARG002
        """Check the rows. Raises DatasetError."""
        return open_indexed(MemorySource(options.rows, ref.name), ref, options, seed=seed)
