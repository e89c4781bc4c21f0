"""Reads a text file line by line with bounded memory, remembers where lines start, and hashes the bytes.

Called by the loaders that read files. A gzip file is unpacked once into a temporary file without a name
(gzip cannot be read from the middle); its hash is that of the packed file.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from ...messages.errors import DatasetError

__all__ = ["Line", "LineFile"]

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line, its place in the file, and its bytes with the line end; None when it is too long."""

    offset: int
    number: int
    data: bytes | None


class LineFile:
    """An open file of lines. Iterate once with ``lines``, then read again with ``line_at``."""

    def __init__(self, path: Path, *, max_line_bytes: int) -> None:
        self.path = path
        self._max = max_line_bytes
        self._hash = hashlib.sha256()
        self._hash_lines = True
        self._moved = False
        self._next = 0
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise DatasetError(f"cannot be read: {error.strerror}", source=str(path)) from None
        try:
            if self._file.read(2) == _GZIP:
                self._file = self._unpack(self._file)
            self._file.seek(0)
        except BaseException:
            self._file.close()
            raise
        self._opened_as = self._stamp()

    def lines(self) -> Iterator[Line]:
        """All lines in order. Raises DatasetError for a file in UTF-16; an empty file has no lines."""
        self._skip_byte_order_mark()
        number = 0
        while data := self._next_bytes(self._max + 1):
            number += 1
            start = self._next - len(data)
            if len(data) > self._max and not data.endswith(b"\n"):
                self._skip_line()
                yield Line(start, number, None)
            else:
                yield Line(start, number, data)

    def line_at(self, offset: int) -> bytes:
        """The line that starts at ``offset``."""
        self._moved = True
        self._file.seek(offset)
        return self._file.readline(self._max + 1)

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into the file since it was opened."""
        if self._stamp() != self._opened_as:
            raise DatasetError("the file was changed while it was in use", source=str(self.path))

    def sha256(self) -> str:
        """Of the whole file, the part that ``lines`` has not come to included."""
        while self._hash_lines and self._next_bytes(_CHUNK):
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _next_bytes(self, size: int) -> bytes:
        """The rest of the line, ``size`` bytes at most, from where reading in order has come to."""
        if self._moved:
            self._file.seek(self._next)
            self._moved = False
        data = self._file.readline(size)
        self._next += len(data)
        if self._hash_lines:
            self._hash.update(data)
        return data

    def _skip_line(self) -> None:
        while (data := self._next_bytes(_CHUNK)) and not data.endswith(b"\n"):
            pass

    def _skip_byte_order_mark(self) -> None:
        start = self._file.read(3)
        if start.startswith(_UTF16):
            raise DatasetError("is in UTF-16; save it as UTF-8", source=str(self.path), line=1)
        if start == _BOM:
            self._next = len(_BOM)
            if self._hash_lines:
                self._hash.update(_BOM)
        self._moved = True

    def _unpack(self, packed: IO[bytes]) -> IO[bytes]:
        """The unpacked bytes in a temporary file; hashes the packed ones."""
        self._hash_lines = False
        packed.seek(0)
        while chunk := packed.read(_CHUNK):
            self._hash.update(chunk)
        packed.seek(0)
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            with packed, gzip.open(packed) as stream:
                shutil.copyfileobj(stream, unpacked, _CHUNK)
        except EOFError:
            unpacked.close()
            raise DatasetError("the gzip file is cut off", source=str(self.path)) from None
        except (OSError, zlib.error) as error:
            unpacked.close()
            raise DatasetError(f"the gzip file cannot be unpacked: {error}", source=str(self.path)) from None
        return unpacked

    def _stamp(self) -> tuple[int, int]:
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns
