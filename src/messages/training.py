"""How a model is trained: the keys of ``[backend.options]`` that belong to the training loop; and how far."""

from typing import Annotated, Literal

from msgspec import Meta

from .base import Message
from .flow import LossPoint
from .records import CheckpointRef

__all__ = ["EpochLoss", "TrainingConfig", "TrainingRecord"]


class TrainingConfig(Message, frozen=True):
    """Training loop settings. All other keys of ``[backend.options]`` are the backend's own."""

    epochs: Annotated[int, Meta(ge=1, le=10_000, description="Passes over the training rows.")] = 3
    batch_size: Annotated[int, Meta(ge=1, le=65_536, description="Rows per optimiser step.")] = 8
    learning_rate: Annotated[float, Meta(gt=0, le=10, description="Peak learning rate.")] = 2e-4
    warmup_steps: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Steps of linear warm-up; default: min(100, one tenth of an epoch's steps)."),
    ] = None
    schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Meta(description="Learning rate after warm-up; linear and cosine decay to `final_learning_rate`."),
    ] = "linear"
    final_learning_rate: Annotated[
        float, Meta(ge=0, le=10, description="Learning rate that the decay ends at.")
    ] = 0.0
    shuffle: Annotated[bool, Meta(description="A new seeded order in every epoch.")] = True
    checkpoint_every: Annotated[
        int, Meta(ge=1, description="Epochs between checkpoints; the last epoch always has one.")
    ] = 1
    checkpoint_every_steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Steps between further checkpoints within an epoch; default: none."),
    ] = None
    evaluate_every_steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Steps between further held-out losses within an epoch; default: none."),
    ] = None
    resume: Annotated[
        str | None,
        Meta(description="Folder of an earlier run of this experiment, to go on from its last checkpoint."),
    ] = None
    keep: Annotated[
        Literal["best", "last"],
        Meta(description="Checkpoint that is sampled: lowest held-out loss, or the last."),
    ] = "best"
    patience: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Stop after this many epochs without a lower held-out loss; default: never."),
    ] = None


class EpochLoss(Message, frozen=True):
    """Mean losses of one epoch; None where there was nothing to take a mean of."""

    epoch: int
    train: float | None = None
    validation: float | None = None


class TrainingRecord(Message, frozen=True):
    """How far training was at its last checkpoint: all that going on from there needs besides the weights."""

    identity: str
    """Hash of what must be equal to go on: rows, order, seed, batch size."""
    steps: int
    checkpoints: tuple[CheckpointRef, ...]
    losses: tuple[LossPoint, ...] = ()
    epoch_losses: tuple[EpochLoss, ...] = ()
    epoch_sum: float = 0.0
    """Training loss of the unfinished epoch so far."""
    epoch_weight: float = 0.0
    unit: str = "token"
    best: float | None = None
    """Lowest held-out loss at the end of an epoch."""
    since_best: int = 0
    stopped_early: bool = False
