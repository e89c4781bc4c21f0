"""The local file of a checkpoint: where the service keeps the state, and which model it is of.

The weights stay with the service; this file is what a run folder has of them, and what a later run, in
another process, goes on from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from ....messages.base import Message
from ....messages.errors import BackendError
from ....messages.records import CheckpointRef
from ..checkpoints import read_checkpoint, write_checkpoint
from .options import TinkerOptions

__all__ = ["Manifest", "read_manifest", "write_manifest"]

ENDING = ".tinker.json"


class Manifest(Message, frozen=True):
    """Paths and the model."""

    format: Literal["crucible-tinker-1"]
    base_model: str
    lora_rank: int
    state_path: str
    """Weights and optimiser state, to train on from."""
    sampler_path: str
    """Weights to be asked."""


_DECODER = msgspec.json.Decoder(Manifest)


def write_manifest(
    folder: Path, name: str, manifest: Manifest, *, step: int, epoch: int, loss: float | None
) -> CheckpointRef:
    """Write it whole or not at all. Blocking."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    return write_checkpoint(folder, name, ENDING, data, step=step, epoch=epoch, loss=loss)


def read_manifest(folder: Path, ref: CheckpointRef, options: TinkerOptions) -> Manifest:
    """Read and check it. Blocking; raises BackendError for a file that is damaged or of another model."""
    data = read_checkpoint(folder, ref)
    try:
        found = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise BackendError(f"{ref.uri}: not a checkpoint of the backend tinker: {error}") from error
    if (found.base_model, found.lora_rank) != (options.base_model, options.lora_rank):
        raise BackendError(
            f"{ref.uri}: checkpoint of {found.base_model} with rank {found.lora_rank}: expected "
            f"{options.base_model} with rank {options.lora_rank}"
        )
    return found
