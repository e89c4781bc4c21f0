"""The backend object that the registry finds under the name ``extractive``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from ....actors.ports import Capabilities
from ....messages.requests import BackendRequest
from ..passages import ReadsPassages
from .options import ExtractiveOptions
from .session import ExtractiveSession

__all__ = ["ExtractiveBackend"]


class ExtractiveBackend(ReadsPassages):
    """A small trainable model that answers with sentences of the passage; needs no service and no GPU."""

    Options: ClassVar[type[msgspec.Struct]] = ExtractiveOptions

    @property
    def capabilities(self) -> Capabilities:
        """Trainable and deterministic."""
        return Capabilities(
            trainable=True,
            deterministic=True,
            free_training=True,
            follows_instructions=False,
            summary="Logistic regressions that choose evidence sentences and their direction; runs on a CPU.",
        )

    async def open(self, options: ExtractiveOptions, *, seed: int, workdir: Path) -> ExtractiveSession:
        """Start a session; the seed is not needed since nothing in the model is random."""
        del seed
        return ExtractiveSession(options, workdir)

    def most_usd(self, options: ExtractiveOptions, request: BackendRequest) -> float:
        """Nothing."""
        del options, request
        return 0.0
