"""Samples that wait on disk: memory stays flat while every row is checked before anything is spent.

``backend_call`` appends the samples that passed the checks, then reads them back in any order. Rows are
MessagePack with a byte offset of 8 bytes each in memory. A spool is used instead of reading the data set a
second time because redacted or repaired rows must be trained on as they were checked.
The file is unlinked at once: nothing is left behind, whatever ends the process.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ..messages.errors import OutputError
from ..messages.flow import Sample

__all__ = ["Spool"]


class Spool:
    """An append-only file of samples with random access. Not thread-safe: one owner."""

    def __init__(self, folder: Path) -> None:
        """Create the file in ``folder``, which must exist."""
        try:
            self._file = tempfile.TemporaryFile(dir=folder, prefix=".spool-")  # noqa: SIM115 - see close
        except OSError as error:
            raise OutputError(f"{folder}: cannot hold waiting rows: {error.strerror}") from error
        self._offsets = array("Q", [0])
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Sample)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def append(self, samples: Iterable[Sample]) -> None:
        """Add samples at the end."""
        offset, encoded = self._offsets[-1], [self._encoder.encode(sample) for sample in samples]
        try:
            self._file.seek(offset)
            self._file.write(b"".join(encoded))
        except OSError as error:
            raise OutputError(f"waiting rows cannot be written: {error.strerror}") from error
        for data in encoded:
            offset += len(data)
            self._offsets.append(offset)

    def read(self, numbers: Sequence[int]) -> list[Sample]:
        """The samples with these numbers, in this order."""
        return [self._read_one(number) for number in numbers]

    def _read_one(self, number: int) -> Sample:
        start, end = self._offsets[number], self._offsets[number + 1]
        self._file.seek(start)
        return self._decoder.decode(self._file.read(end - start))

    def close(self) -> None:
        """Drop the file. Idempotent."""
        self._file.close()
