"""A session around a sampler that learns nothing; for baselines and plug-ins without training."""

# ruff: noqa: ARG002 - the signatures are those of the port Session
from __future__ import annotations

from collections.abc import Sequence

from ...actors.ports import Sampler
from ...messages.errors import BackendError
from ...messages.records import CheckpointRef, Example, TrainStep

__all__ = ["UntrainedSession"]


class UntrainedSession:
    """Hands out one sampler; every training call raises BackendError."""

    def __init__(self, backend: str, sampler: Sampler) -> None:
        self._backend = backend
        self._sampler = sampler

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """Refuse."""
        raise self._refusal()

    async def optim_step(self, learning_rate: float) -> None:
        """Refuse."""
        raise self._refusal()

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """Refuse: there is no loss."""
        raise self._refusal()

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Refuse: there is no state."""
        raise self._refusal()

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Refuse: there is no state."""
        raise self._refusal()

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> Sampler:
        """The sampler; a checkpoint is refused."""
        if checkpoint is not None:
            raise self._refusal()
        return self._sampler

    async def aclose(self) -> None:
        """Nothing to release."""

    def _refusal(self) -> BackendError:
        return BackendError(f"backend {self._backend!r} cannot be trained: use mode 'sample'")
