"""What travels between the engine and the worker process: calls, replies, and their frames.

A frame is four bytes of length, big-endian, and a MessagePack map. The worker does one call at a time, in
order; a ``Cancel`` overtakes them.
"""

from __future__ import annotations

import socket
import struct
from typing import Literal

import msgspec

from ....messages import errors

__all__ = [
    "AdapterFacts",
    "Answer",
    "Answers",
    "Call",
    "Cancel",
    "CloseSession",
    "Done",
    "Failure",
    "Generate",
    "Load",
    "Loaded",
    "LoraSettings",
    "OpenSampler",
    "OpenSession",
    "Operation",
    "Pass",
    "Passed",
    "PromptRow",
    "Reply",
    "Restore",
    "Result",
    "Row",
    "Save",
    "Saved",
    "Step",
    "Stepped",
    "raised",
    "receive",
    "send",
]

_LENGTH = struct.Struct(">I")


class _Wire(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    pass


class Load(_Wire, frozen=True):
    """Load a base model; equal ones share a worker."""

    base_model: str
    revision: str | None
    gguf_file: str | None
    device: str
    dtype: str
    threads: int | None


class LoraSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one adapter is made, trained and given rows."""

    rank: int
    alpha: float
    dropout: float
    target_modules: tuple[str, ...]
    seed: int
    weight_decay: float
    max_grad_norm: float
    micro_batch_size: int
    pack_length: int | None
    gradient_checkpointing: bool
    max_length: int | None
    too_long: Literal["reject", "truncate"]
    c1_weight: float
    evidence_weight: float
    chat: bool
    eos_token: str | None
    cache_rows: int


class OpenSession(_Wire, frozen=True):
    """Begin a session, from the adapter in a folder if one is given."""

    session: str
    lora: LoraSettings
    adapter: str | None


class CloseSession(_Wire, frozen=True):
    """Forget a session and its samplers."""

    session: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row to learn from or to measure."""

    id: str
    prompt: str
    completion: str


class Pass(_Wire, frozen=True):
    """Forward over rows; with ``train`` also backward, gradients add up until ``Step``."""

    session: str
    rows: tuple[Row, ...]
    train: bool


class Step(_Wire, frozen=True):
    """Apply the gathered gradients."""

    session: str
    learning_rate: float


class Save(_Wire, frozen=True):
    """Write a checkpoint into ``folder``."""

    session: str
    folder: str
    name: str


class Restore(_Wire, frozen=True):
    """Go on from a checkpoint."""

    session: str
    path: str
    sha256: str | None


class OpenSampler(_Wire, frozen=True):
    """Keep a copy of the weights: of now, or of a checkpoint."""

    session: str
    sampler: str
    path: str | None
    sha256: str | None


class PromptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One answer wanted."""

    prompt: str
    system: str | None
    max_tokens: int
    temperature: float
    top_p: float
    stop: tuple[str, ...]
    seed: int


class Generate(_Wire, frozen=True):
    """Answer prompts together."""

    session: str
    sampler: str
    rows: tuple[PromptRow, ...]


class Cancel(_Wire, frozen=True):
    """Give up the call of this number at its next step; it has no reply of its own."""

    number: int


Operation = Load | OpenSession | CloseSession | Pass | Step | Save | Restore | OpenSampler | Generate | Cancel


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    number: int
    operation: Operation


class Loaded(_Wire, frozen=True):
    """The base model is there."""

    device: str
    dtype: str
    context: int | None
    parameters: int
    versions: dict[str, str]


class AdapterFacts(_Wire, frozen=True):
    """What is trained."""

    parameters: int
    target_modules: tuple[str, ...]


class Passed(_Wire, frozen=True):
    """What a pass came to; the ids of too long rows once each."""

    loss_sum: float
    weight_sum: float
    examples: int
    tokens: int
    """Tokens that went through the model, padding not counted."""
    padding: int
    seconds: float
    truncated: tuple[str, ...]
    rejected: tuple[str, ...]
    adapter: AdapterFacts


class Stepped(_Wire, frozen=True):
    """Length of the gradient before it was scaled down; None when no row gave one."""

    gradient_norm: float | None
    seconds: float


class Saved(_Wire, frozen=True):
    """A checkpoint is on disk."""

    sha256: str


class Done(_Wire, frozen=True):
    """Done, nothing to tell."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or why there is none."""

    text: str = ""
    finish_reason: Literal["stop", "length"] = "stop"
    confidence: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    truncated: bool = False
    error: str | None = None


class Answers(_Wire, frozen=True):
    """The answers, in order."""

    rows: tuple[Answer, ...]


Result = Loaded | Passed | Stepped | Saved | Done | Answers


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error by class name and text."""

    kind: str
    message: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of the two."""

    number: int
    result: Result | None = None
    failure: Failure | None = None


def raised(failure: Failure) -> errors.CrucibleError:
    """The error on the engine's side."""
    kind = getattr(errors, failure.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, errors.CrucibleError)):
        return errors.BackendError(failure.message)
    return kind(failure.message)


def send(channel: socket.socket, message: Call | Reply) -> None:
    """Write a frame. Blocking; raises OSError when the other side is gone."""
    data = msgspec.msgpack.encode(message)
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes | None:
    """The next frame's content; None when the other side is gone. Blocking."""
    head = _exactly(channel, _LENGTH.size)
    return None if head is None else _exactly(channel, _LENGTH.unpack(head)[0])


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        try:
            part = channel.recv(min(count - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
