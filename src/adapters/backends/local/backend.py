"""The backend object that the registry finds under the name ``local``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import msgspec

from ....actors.ports import Capabilities
from ....messages.errors import InputError, Problem, install_extra
from ....messages.requests import BackendRequest
from .options import LocalOptions
from .session import LocalSession

__all__ = ["LocalBackend"]

_LIBRARIES = ("torch", "transformers", "peft", "safetensors")
NEUTRAL = frozenset({"micro_batch_size", "pack_length", "gradient_checkpointing", "cache_rows", "gather_ms"})
"""Options that change no answer but for its last bits."""


class LocalBackend:
    """Causal language models, trained by LoRA and asked on this machine."""

    Options: ClassVar[type[msgspec.Struct]] = LocalOptions

    @property
    def capabilities(self) -> Capabilities:
        """Trainable. Not called deterministic: who is answered together can move the last bits."""
        return Capabilities(
            trainable=True,
            free_training=True,
            neutral_options=NEUTRAL,
            summary="Any Hugging Face causal language model on this machine, fine-tuned by LoRA with torch.",
        )

    async def open(self, options: LocalOptions, *, seed: int, workdir: Path) -> LocalSession:
        """Load the base model, unless another session has it; raises InputError when it cannot be had."""
        for problem in self.missing(options):
            raise InputError(f"backend {problem.message}")
        return await LocalSession.open(options, seed=seed, workdir=workdir)

    def missing(self, options: LocalOptions) -> Sequence[Problem]:
        """The libraries of the extra that are not installed."""
        del options
        absent = [name for name in _LIBRARIES if find_spec(name) is None]
        if not absent:
            return []
        how = f"{install_extra('local')}, see docs/local-training.md"
        return [Problem("", f"local needs {', '.join(absent)}: {how}")]

    def most_usd(self, options: LocalOptions, request: BackendRequest) -> float:
        """Nothing."""
        del options, request
        return 0.0
