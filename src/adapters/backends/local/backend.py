"""The backend object that the registry finds under the name ``local``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import msgspec

from ....actors.ports import Capabilities
from ....messages.errors import InputError
from .options import LocalOptions
from .session import LocalSession

__all__ = ["LocalBackend"]

_LIBRARIES = ("torch", "transformers", "peft", "safetensors")


class LocalBackend:
    """Causal language models, trained by LoRA and asked on this machine."""

    Options: ClassVar[type[msgspec.Struct]] = LocalOptions

    @property
    def capabilities(self) -> Capabilities:
        """Trainable. Not called deterministic: who is answered together can move the last bits."""
        return Capabilities(
            trainable=True,
            summary="Any Hugging Face causal language model on this machine, fine-tuned by LoRA with torch.",
        )

    async def open(self, options: LocalOptions, *, seed: int, workdir: Path) -> LocalSession:
        """Load the base model, unless another session has it; raises InputError when it cannot be had."""
        missing = [name for name in _LIBRARIES if find_spec(name) is None]
        if missing:
            raise InputError(
                f"backend 'local' needs {', '.join(missing)}: install crucible-framework[local], "
                "see docs/local-training.md"
            )
        return await LocalSession.open(options, seed=seed, workdir=workdir)
