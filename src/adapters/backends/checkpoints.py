"""Checkpoint files: written whole or not at all, and checked when they are read.

Called by the sessions of trainable backends. What the bytes mean is the backend's own business.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from ...actors.synced import make_folder, sync_folder
from ...messages.errors import BackendError, InputError, OutputError
from ...messages.records import CheckpointRef

__all__ = ["check_name", "read_checkpoint", "write_checkpoint"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


def check_name(name: str) -> None:
    """Raises InputError for a name that is no plain file name."""
    if not _NAME.fullmatch(name):
        raise InputError(f"checkpoint name {name!r}: expected letters, digits, '_', '.' and '-'")


def write_checkpoint(
    folder: Path, name: str, ending: str, data: bytes, *, step: int, epoch: int, loss: float | None
) -> CheckpointRef:
    """Write ``folder/name+ending`` by way of a synced temporary file and describe it.

    Raises InputError for a name that is no plain file name and OutputError when the folder cannot be
    written.
    """
    check_name(name)
    path = folder.absolute() / (name + ending)
    try:
        make_folder(folder)
        _replace(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot write checkpoint: {error.strerror or error}") from error
    digest = hashlib.sha256(data).hexdigest()
    return CheckpointRef(name=name, uri=str(path), step=step, epoch=epoch, loss=loss, sha256=digest)


def read_checkpoint(folder: Path, ref: CheckpointRef) -> bytes:
    """Bytes of the checkpoint; a run folder that was moved is found below ``folder`` by file name.

    Raises BackendError when the file is missing, unreadable or not the one that was saved.
    """
    path = Path(ref.uri)
    if not path.is_file():
        path = folder / path.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackendError(f"{ref.uri}: cannot read checkpoint: {error.strerror or error}") from error
    if ref.sha256 is not None and hashlib.sha256(data).hexdigest() != ref.sha256:
        raise BackendError(f"{path}: checkpoint is damaged: its SHA-256 is not the one recorded when saved")
    return data


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
