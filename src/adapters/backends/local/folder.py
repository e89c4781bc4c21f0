"""Folders that appear whole or not at all, and are checked when they are read.

A checkpoint is a folder: adapter and its configuration in peft's own form, so that plain peft loads it, the
optimiser's state, and ``state.json``, which names the base model and the hash of each other file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ....messages.base import Message
from ....messages.errors import BackendError, OutputError

__all__ = ["ADAPTER", "CONFIG", "OPTIMISER", "STATE", "State", "read_state", "write_folder"]

ADAPTER = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
OPTIMISER = "optimiser.safetensors"
STATE = "state.json"
FORMAT = 1


class State(Message, frozen=True, kw_only=True):
    """What ``state.json`` holds."""

    backend: str = "local"
    format: int = FORMAT
    base_model: str
    fingerprint: str
    """Of the base model."""
    rank: int
    alpha: float
    target_modules: tuple[str, ...]
    seed: int
    steps: int
    """Optimiser steps taken."""
    passes: int
    """Training passes taken; dropout is drawn from the seed and this number."""
    files: dict[str, str]
    """SHA-256 of each file."""


def write_folder(parent: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write ``parent/name``; raises OutputError when there is no room, and then leaves what was there."""
    target, temporary = parent / name, None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}."))
        for file_name, data in files.items():
            _write(temporary / file_name, data)
        temporary.chmod(0o777 & ~_umask())
        _sync(temporary)
        _put_in_place(temporary, target)
        _sync(parent)
    except OSError as error:
        raise OutputError(f"{target}: cannot write checkpoint: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(new: Path, target: Path) -> None:
    if not target.is_dir():
        new.rename(target)
        return
    old = new.with_name(f"{new.name}.old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_state(path: Path, sha256: str | None) -> tuple[State, dict[str, bytes]]:
    """The state and all other files of a checkpoint. Raises BackendError when it is not whole."""
    state_bytes = _read(path, STATE)
    if sha256 is not None and hashlib.sha256(state_bytes).hexdigest() != sha256:
        raise BackendError(
            f"{path / STATE}: checkpoint is damaged: its SHA-256 is not the one recorded when saved"
        )
    try:
        state = msgspec.json.decode(state_bytes, type=State)
    except msgspec.MsgspecError as error:
        raise BackendError(f"{path}: not a checkpoint of local: {STATE}: {error}") from error
    if state.backend != "local" or state.format != FORMAT:
        raise BackendError(f"{path}: the checkpoint was written by another version of this backend")
    files = {name: _read(path, name) for name in (ADAPTER, CONFIG, OPTIMISER)}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != state.files.get(name):
            raise BackendError(
                f"{path / name}: checkpoint is damaged: its SHA-256 is not the one recorded when saved"
            )
    return state, files


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except OSError as error:
        raise BackendError(f"{path / name}: cannot read checkpoint: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The process's umask, which can only be read by setting it; the worker has one thread that writes."""
    current = os.umask(0)
    os.umask(current)
    return current
