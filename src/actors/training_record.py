"""The file that says how far training is, and what makes two trainings the same.

Written by the training loop after each checkpoint, whole or not at all; read when a run is to go on from it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..messages.errors import InputError, OutputError
from ..messages.records import CheckpointRef, Example
from ..messages.training import TrainingConfig, TrainingRecord
from .synced import make_folder, sync_folder

__all__ = ["RECORD", "identity", "read_record", "write_record"]

RECORD = "training.json"


def identity(config: TrainingConfig, *, rows: int, seed: int, first: Sequence[Example]) -> str:
    """Hash of what must be equal to go on: count and first batch of the rows, seed, order and step size.

    Epochs and learning rates are not part of it: training may go on longer, or at another rate.
    """
    digest = hashlib.blake2b(digest_size=12)
    digest.update(repr((rows, seed, config.batch_size, config.shuffle)).encode())
    for example in first:
        text = repr((example.id, example.input, example.reference))
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def write_record(folder: Path, record: TrainingRecord) -> None:
    """Blocking. Raises OutputError when the folder cannot be written."""
    try:
        make_folder(folder)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{RECORD}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(record))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(folder / RECORD)
            sync_folder(folder)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{folder / RECORD}: cannot write: {error.strerror or error}") from error


def read_record(given: str) -> TrainingRecord:
    """The record of a run folder or its checkpoints folder. Blocking; raises InputError."""
    folder = Path(given)
    for path in (folder / RECORD, folder / "checkpoints" / RECORD):
        if path.is_file():
            break
    else:
        raise InputError(
            f"backend.options.resume: {given}: expected the folder of a run that has saved a checkpoint"
        )
    try:
        record = msgspec.json.decode(path.read_bytes(), type=TrainingRecord)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"backend.options.resume: {path}: cannot be read: {error}") from error
    if not record.checkpoints:
        raise InputError(f"backend.options.resume: {path}: names no checkpoint")
    found = tuple(_beside(path.parent.absolute(), ref) for ref in record.checkpoints)
    return msgspec.structs.replace(record, checkpoints=found)


def _beside(folder: Path, ref: CheckpointRef) -> CheckpointRef:
    """The one that lies beside the record, if there is one: the run's folder may have moved."""
    path = folder / Path(ref.uri).name
    return msgspec.structs.replace(ref, uri=str(path)) if path.exists() else ref
