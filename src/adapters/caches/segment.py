r"""A file of replies, one a line: key, checksum, JSON. Appended to by one process, read by any number.

    <32 hexadecimal digits> <CRC-32 of key and JSON, 8 digits> <JSON>\n

A line that does not fit its checksum is damaged and skipped; the lines after it are whole all the same. The
process that appends holds a lock on the file (flock); the last line of a file that nobody holds may have been
cut off when its process was killed. Rejected: SQLite, since a damaged page may take the whole database with
it, and since two processes that write to one need its locks, which its versions before 3.51.3 get wrong in
WAL mode.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

__all__ = ["Line", "encode_line", "lines", "lock", "parse_line", "segments"]

KEY_LENGTH = 32
HEAD_LENGTH = KEY_LENGTH + 10
_NAME = re.compile(r"replies-\d{6,9}\.txt")


class Line(NamedTuple):
    """Where a line lies; ``key`` is None when it is damaged."""

    key: str | None
    offset: int
    length: int
    whole: bool
    """Whether it ends with a line break: the last one may have been cut off."""


def segments(folder: Path) -> list[Path]:
    """The files of a folder, the oldest first."""
    return sorted(
        path for path in folder.glob("replies-*.txt") if _NAME.fullmatch(path.name) and path.is_file()
    )


def encode_line(key: str, content: bytes) -> bytes:
    """One line; the content holds no line break, as JSON never does."""
    head = key.encode("ascii")
    return b"%s %08x %s\n" % (head, crc32(content, crc32(head)), content)


def parse_line(line: bytes) -> tuple[str, bytes] | None:
    """Key and content; None when it is damaged."""
    head, content = line[:KEY_LENGTH], line[HEAD_LENGTH:-1]
    if line[KEY_LENGTH : KEY_LENGTH + 1] != b" " or line[-1:] != b"\n":
        return None
    if line[KEY_LENGTH + 1 : HEAD_LENGTH] != b"%08x " % crc32(content, crc32(head)):
        return None
    return head.decode("ascii", "replace"), content


def lines(path: Path) -> Iterator[Line]:
    """All lines of a file, checked; OSError when it cannot be read."""
    offset = 0
    with path.open("rb", buffering=1 << 20) as file:
        for line in file:
            found = parse_line(line)
            yield Line(None if found is None else found[0], offset, len(line), line.endswith(b"\n"))
            offset += len(line)


def lock(descriptor: int) -> bool:
    """Take the file for this process, until it closes it; False when another one has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_all(descriptor: int, data: bytes) -> None:
    """Append, and wait until it is on disk; OSError when it cannot be written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fdatasync(descriptor)
