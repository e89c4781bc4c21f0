"""How a model is trained: the keys of ``[backend.options]`` that belong to the training loop."""

from typing import Annotated, Literal

from msgspec import Meta

from .base import Message

__all__ = ["TrainingConfig"]


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
    keep: Annotated[
        Literal["best", "last"],
        Meta(description="Checkpoint that is sampled: lowest held-out loss, or the last."),
    ] = "best"
    patience: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Stop after this many epochs without a lower held-out loss; default: never."),
    ] = None
