"""The cache of replies in a folder: an index in memory, about 30 bytes a reply, and a thread for the files.

Opened by the engine for a run. Every process appends to a file of its own, so runs may share a folder; a run
sees what was there when it was opened, and what it stored itself. Everything that is stored while the thread
writes goes to disk together and is synced once (group commit). Keys are looked up by 64 bits of a hash and
compared in full when the reply is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from array import array
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import msgspec

from ...actors.synced import make_folder, sync_folder
from ...messages.errors import OutputError
from ...messages.requests import StoredReply
from ..datasets.hash_index import HashIndex
from .segment import encode_line, lines, lock, parse_line, segments, write_all

__all__ = ["ReplyFolder"]

LARGEST_FILE = 1 << 30
MOST_AT_ONCE = 1024


class _Job(NamedTuple):
    """To write ``data``, or to read what lies at ``place``."""

    future: asyncio.Future[Any]
    key: str
    data: bytes | None = None
    place: tuple[Path, int, int] | None = None


class ReplyFolder:
    """Implements ``actors.ports.ReplyCache``."""

    def __init__(self, folder: Path) -> None:
        """Read through the folder, which is made if missing. Blocking; OutputError when it cannot be used."""
        self._folder = folder
        self._index = HashIndex()
        self._places = array("Q")  # number of the file << 40 | offset
        self._lengths = array("I")
        self._files: list[Path] = []
        self._writer = -1
        self._end = self._writer_file = 0
        self._stored = self._damaged = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        try:
            make_folder(folder, 0o700)
            for path in segments(folder):
                self._open(path)
            if self._writer < 0:
                self._create()
        except OSError as error:
            self.close()
            reason = "expected a folder" if isinstance(error, FileExistsError) else error.strerror
            raise OutputError(f"{folder}: cannot keep the cache: {reason}") from error
        self._found = len(self._places)

    # opening

    def _open(self, path: Path) -> None:
        number, taken = len(self._files), False
        self._files.append(path)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            free = lock(descriptor)
            end = self._scan(path, number, free=free)
            if free and self._writer < 0 and end < LARGEST_FILE:
                os.truncate(descriptor, end)
                self._writer, self._writer_file, self._end, taken = descriptor, number, end, True
        finally:
            if not taken:
                os.close(descriptor)

    def _scan(self, path: Path, number: int, *, free: bool) -> int:
        """Enter a file's lines; where its last whole line ends. The end of a file in use is being written."""
        end = 0
        for line in lines(path):
            if line.key is not None:
                self._enter(line.key, number, line.offset, line.length, replace=False)
            elif line.whole or free:
                self._damaged += 1
            end += line.length if line.whole else 0
        return end

    def _enter(self, key: str, file: int, offset: int, length: int, *, replace: bool) -> None:
        known = self._index.add(key)
        if known is None:
            self._places.append(file << 40 | offset)
            self._lengths.append(length)
        elif replace:
            self._places[known], self._lengths[known] = file << 40 | offset, length

    def _create(self) -> None:
        number = 1 + max((int(path.stem.partition("-")[2]) for path in self._files), default=0)
        while True:
            path = self._folder / f"replies-{number:06}.txt"
            try:
                self._writer = os.open(
                    path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
                )
            except FileExistsError:
                number += 1
                continue
            lock(self._writer)
            sync_folder(self._folder)
            self._files.append(path)
            self._writer_file, self._end = len(self._files) - 1, 0
            return

    # on the loop

    def __contains__(self, key: str) -> bool:
        return self._index.find(key) is not None

    async def get(self, key: str) -> StoredReply | None:
        """The reply; None when there is none, or when it is damaged by now."""
        number = self._index.find(key)
        if number is None:
            return None
        place = self._places[number]
        job = (self._files[place >> 40], place & ((1 << 40) - 1), self._lengths[number])
        found: StoredReply | None = await self._do(_Job(self._future(), key, place=job))
        if found is None:
            self._damaged += 1
        return found

    async def put(self, key: str, stored: StoredReply) -> None:
        """Store; on disk when this returns. OutputError when that is impossible."""
        data = encode_line(key, msgspec.json.encode(stored))
        offset = await self._do(_Job(self._future(), key, data=data))
        self._enter(key, self._writer_file, offset, len(data), replace=True)
        self._stored += 1

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _do(self, job: _Job) -> Any:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reply cache", daemon=True)
            self._thread.start()
        self._jobs.put(job)
        return await job.future

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"entries": self._found, "stored": self._stored, "damaged": self._damaged}

    def close(self) -> None:
        """Finish what was asked for, and close the files. Blocking and idempotent."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        if self._writer >= 0:
            if not self._end:
                with contextlib.suppress(OSError):
                    self._files[self._writer_file].unlink()
            os.close(self._writer)
            self._writer = -1

    # in the thread

    def _work(self) -> None:
        while True:
            batch = [self._jobs.get()]
            with contextlib.suppress(Empty):
                while len(batch) < MOST_AT_ONCE:
                    batch.append(self._jobs.get_nowait())
            jobs = [job for job in batch if job is not None]
            _tell([(job, _read(job)) for job in jobs if job.place is not None])
            _tell(self._write([job for job in jobs if job.data is not None]))
            if len(jobs) < len(batch):
                return

    def _write(self, jobs: list[_Job]) -> list[tuple[_Job, Any]]:
        """Append all and sync once; each job's offset, or why it could not be written."""
        if not jobs:
            return []
        data = b"".join(job.data or b"" for job in jobs)
        try:
            write_all(self._writer, data)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self._writer, self._end)  # no half line before the next one
            told = OutputError(f"{self._folder}: the cache cannot be written: {error.strerror}")
            return [(job, told) for job in jobs]
        results = []
        for job in jobs:
            results.append((job, self._end))
            self._end += len(job.data or b"")
        return results


def _read(job: _Job) -> StoredReply | None:
    assert job.place is not None
    path, offset, length = job.place
    try:
        with path.open("rb", buffering=0) as file:
            line = os.pread(file.fileno(), length, offset)
        found = parse_line(line)
        if found is None or found[0] != job.key:
            return None
        return msgspec.json.decode(found[1], type=StoredReply)
    except (OSError, msgspec.MsgspecError):
        return None


def _tell(results: list[tuple[_Job, Any]]) -> None:
    """Hand results to the loop, in one go."""
    if results:
        loop = results[0][0].future.get_loop()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple[_Job, Any]]) -> None:
    for job, result in results:
        if job.future.done():  # given up
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
