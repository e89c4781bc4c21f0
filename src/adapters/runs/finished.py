"""The folder of a finished run: its result, and its samples by id without holding them in memory.

Called by what works on runs after the fact. It reads ``run.json`` and ``samples.jsonl`` and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from ...messages.control import RunResult
from ...messages.errors import DatasetError, InputError
from ..reports.samples import SampleLine

__all__ = ["FinishedRun", "find_run", "open_run"]

_DECODER = msgspec.json.Decoder(SampleLine)
RESULT, SAMPLES = "run.json", "samples.jsonl"


def find_run(name: str, *, under: Path = Path("runs")) -> Path:
    """The folder of a run: a path, or the name of a folder in ``under``. Raises InputError."""
    if not name.strip():
        raise InputError(f"the name of a run is empty: expected its folder, or its name in {under}/")
    try:
        for folder in (Path(name), under / name):
            if (folder / RESULT).is_file():
                return folder
        if Path(name).is_dir():
            raise InputError(f"{name}: is not the folder of a run that has ended: it holds no {RESULT}")
    except OSError as error:  # a name that no folder can have
        raise InputError(f"{name}: cannot be the name of a run: {error.strerror}") from None
    raise InputError(f"{name}: expected the folder of a run, or the name of one in {under}/")


class FinishedRun:
    """A run that completed, and where each of its samples stands: 8 bytes and an id a sample."""

    def __init__(self, folder: Path, result: RunResult) -> None:
        self.folder = folder
        self.result = result
        self._path = folder / SAMPLES
        self._decoder = _DECODER
        self._file: BinaryIO = _open(self._path)
        self._places: dict[str, tuple[int, int]] = {}
        try:
            for number, (offset, line) in enumerate(self._lines(), start=1):
                id_ = self._decode(line, number).id
                if id_ in self._places:
                    first = self._places[id_][1]
                    raise DatasetError(
                        f"{id_!r} is already the id of line {first}",
                        source=str(self._path),
                        line=number,
                        field="id",
                    )
                self._places[id_] = (offset, number)
            if not self._places:
                raise DatasetError("holds no sample", source=str(self._path))
        except BaseException:
            self._file.close()
            raise

    @property
    def sha256(self) -> str:
        """Of the data set that was loaded; empty when data_load said nothing of it."""
        stages = {stage.stage: stage for stage in self.result.stages}
        loaded = stages.get("data_load")
        return str(loaded.metrics.get("sha256", "")) if loaded is not None else ""

    @property
    def ids(self) -> list[str]:
        """Of the samples, in order."""
        return list(self._places)

    def sample(self, id_: str) -> SampleLine:
        """One sample; KeyError when the run did not have it."""
        offset, number = self._places[id_]
        self._file.seek(offset)
        return self._decode(self._file.readline(), number)

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._file.close()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        offset = 0
        for line in self._file:
            yield offset, line
            offset += len(line)

    def _decode(self, line: bytes, number: int) -> SampleLine:
        try:
            return self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"is not a sample of a run: {error}", source=str(self._path), line=number
            ) from None


def open_run(folder: Path) -> FinishedRun:
    """Open a run that completed; raises InputError for one that did not, or that kept no samples."""
    path = folder / RESULT
    try:
        result = msgspec.json.decode(path.read_bytes(), type=RunResult)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not the result of a run: {error}") from None
    if result.status != "completed":
        raise InputError(f"{folder}: the run {result.status}: {result.failure}")
    return FinishedRun(folder, result)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: is missing: only runs with a report stage keep their samples") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
