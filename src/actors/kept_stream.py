"""What ``backend_call`` handed on, kept on disk, so that a later attempt of the run begins after it.

Written by ``backend_call`` of a durable run as it goes; read by ``StreamSource``, which stands in for all
stages up to it. Samples are MessagePack, each after its length in four bytes. The results of the stages are
written last, synced and by rename: while they are missing, there is nothing that could be used.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..messages.control import StageCompleted, Start
from ..messages.errors import OutputError
from ..messages.flow import EndOfStream, Sample, StageResult
from .runtime import handler
from .stage import StageBase, Tally, Wiring
from .synced import sync_folder

__all__ = ["RESULTS", "SAMPLES", "KeptStream", "StreamSource", "StreamWriter"]

SAMPLES, RESULTS = ".answered.bin", ".answered.json"
READ_CHUNK = 64
LENGTH_BYTES = 4


class StreamWriter:
    """Appends to the file. Blocking; one owner, one call at a time."""

    def __init__(self, folder: Path) -> None:
        """Begin anew."""
        self._folder = folder
        self._encoder = msgspec.msgpack.Encoder()
        self._file: BinaryIO | None = None

    def append(self, samples: Sequence[Sample]) -> None:
        """Add samples at the end."""
        encoded = [self._encoder.encode(sample) for sample in samples]
        data = b"".join(len(each).to_bytes(LENGTH_BYTES, "little") + each for each in encoded)
        try:
            if self._file is None:
                self._file = (self._folder / SAMPLES).open("wb")
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def finish(self, results: Sequence[StageResult]) -> None:
        """All samples are there; so are the results of this stage and of those before it."""
        try:
            self.append(())
            assert self._file is not None
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            temporary = self._folder / f"{RESULTS}.tmp"
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(list(results)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / RESULTS)
            sync_folder(self._folder)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Give the file up where it is. Idempotent."""
        if self._file is not None:
            self._file.close()

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self._folder / SAMPLES}: cannot be written: {error.strerror or error}")


class KeptStream:
    """A stream that is whole."""

    def __init__(self, path: Path, results: Sequence[StageResult]) -> None:
        self._path = path
        self.results = tuple(results)
        """Of the stages that need not run; the last one handed the samples on."""

    @classmethod
    def of(cls, folder: Path) -> KeptStream | None:
        """The stream in a run's folder; None when it is not there or not whole. Blocking."""
        try:
            results = msgspec.json.decode((folder / RESULTS).read_bytes(), type=list[StageResult])
            whole = (folder / SAMPLES).is_file()
        except (OSError, msgspec.MsgspecError):
            return None
        return cls(folder / SAMPLES, results) if results and whole else None

    def batches(self) -> Iterator[tuple[Sample, ...]]:
        """The samples in their order. Blocking."""
        decoder = msgspec.msgpack.Decoder(Sample)
        batch = list[Sample]()
        with self._path.open("rb") as file:
            while head := file.read(LENGTH_BYTES):
                batch.append(decoder.decode(file.read(int.from_bytes(head, "little"))))
                if len(batch) >= READ_CHUNK:
                    yield tuple(batch)
                    batch = []
        if batch:
            yield tuple(batch)


class StreamSource(StageBase):
    """Stands in for the stages that are done: sends their samples, then their results."""

    def __init__(self, wiring: Wiring, kept: KeptStream, tally: Tally) -> None:
        super().__init__(wiring, tally)
        self._kept = kept

    @handler
    async def on_begin(self, _message: Start) -> None:
        """Begin to read, in a task of its own so that the actor stays answerable."""
        await self.begin()
        self.context.create_task(self._pump(), name="pump")

    async def _pump(self) -> None:
        batches, result = self._kept.batches(), self._kept.results[-1]
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            await self.emit(batch)
            await self.progress(self._tally.emitted, result.emitted, phase="again")
        downstream = self._wiring.downstream
        if downstream is not None:
            for each in self._kept.results:
                await downstream.tell(each)
            await downstream.tell(EndOfStream(batches=self._tally.batches, samples=self._tally.emitted))
        await self._wiring.supervisor.tell(StageCompleted(result=result))
