"""Trains a session: epochs over a spool of rows, with held-out loss, checkpoints and early stopping.

Called by ``backend_call``. Knows sessions by their port only; decides by the pure functions of ``schedule``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..messages.errors import InputError, StageError
from ..messages.flow import LossPoint
from ..messages.records import CheckpointRef, Example, TrainStep
from ..messages.training import TrainingConfig
from .ports import Session
from .schedule import epoch_order, learning_rate, steps_per_epoch

__all__ = ["TrainingOutcome", "train"]

Report = Callable[[int, int, str], Awaitable[None]]
"""Called with steps done, steps in all, and a short live figure."""


@dataclass(slots=True)
class TrainingOutcome:
    """What training came to. Losses are means per unit of weight (token, sentence)."""

    losses: list[LossPoint] = field(default_factory=list)
    checkpoints: list[CheckpointRef] = field(default_factory=list)
    unit: str = "token"
    steps: int = 0
    epochs: int = 0
    stopped_early: bool = False
    epoch_losses: list[dict[str, float | int | None]] = field(default_factory=list)

    def chosen(self, keep: str) -> CheckpointRef:
        """The checkpoint to sample: lowest held-out loss (the earlier one of equals), or the last."""
        scored = [checkpoint for checkpoint in self.checkpoints if checkpoint.loss is not None]
        if keep == "best" and scored:
            return min(scored, key=lambda checkpoint: (checkpoint.loss, checkpoint.step))
        return self.checkpoints[-1]

    def metrics(self, keep: str) -> dict[str, Any]:
        """JSON-ready figures; ``epoch_losses`` holds the mean training and held-out loss of each epoch."""
        chosen = self.chosen(keep)
        return {
            "steps": self.steps,
            "epochs": self.epochs,
            "unit": self.unit,
            "stopped_early": self.stopped_early,
            "epoch_losses": self.epoch_losses,
            "checkpoint": chosen.name,
            "held_out_loss": chosen.loss,
        }


class Rows:
    """Training or held-out rows by number, read in a worker thread."""

    def __init__(self, read: Callable[[Sequence[int]], list[Example]], count: int) -> None:
        self._read = read
        self.count = count

    async def take(self, numbers: Sequence[int]) -> list[Example]:
        """The rows with these numbers, in this order."""
        return await asyncio.to_thread(self._read, numbers)


async def train(
    session: Session,
    training: Rows,
    held_out: Rows,
    config: TrainingConfig,
    *,
    seed: int,
    report: Report,
) -> TrainingOutcome:
    """Run all epochs.

    Raises StageError when a loss is not finite, and InputError for patience without held-out rows.
    """
    if config.patience is not None and not held_out.count:
        raise InputError(
            "backend.options.patience: needs held-out rows with a reference: give dataset.options.split a "
            "validation share, or leave patience out"
        )
    outcome = TrainingOutcome()
    per_epoch = steps_per_epoch(training.count, config.batch_size)
    total = per_epoch * config.epochs
    best, since_best = float("inf"), 0
    await _note_held_out(session, held_out, config, outcome, epoch=0)
    for epoch in range(config.epochs):
        order = epoch_order(training.count, epoch, seed, shuffle=config.shuffle)
        epoch_sum = epoch_weight = 0.0
        for start in range(0, training.count, config.batch_size):
            rows = await training.take(order[start : start + config.batch_size])
            rate = learning_rate(config, outcome.steps, total, training.count)
            step = await session.train_step(rows)
            await session.optim_step(rate)
            _check_finite("training", step, outcome.steps + 1)
            outcome.steps += 1
            outcome.unit = step.unit
            epoch_sum += step.loss_sum
            epoch_weight += step.weight_sum
            if step.weight_sum > 0:
                outcome.losses.append(
                    LossPoint(
                        step=outcome.steps,
                        epoch=outcome.steps / per_epoch,
                        loss=step.loss_sum / step.weight_sum,
                        split="train",
                        weight=step.weight_sum,
                        learning_rate=rate,
                    )
                )
            await report(outcome.steps, total, _live(outcome))
        outcome.epochs = epoch + 1
        validation = await _note_held_out(session, held_out, config, outcome, epoch=epoch + 1)
        mean = epoch_sum / epoch_weight if epoch_weight else None
        outcome.epoch_losses.append({"epoch": epoch + 1, "train": mean, "validation": validation})
        improved = validation is not None and validation < best
        best, since_best = (validation or 0.0, 0) if improved else (best, since_best + 1)
        outcome.stopped_early = config.patience is not None and since_best >= config.patience
        if outcome.stopped_early or _due(config, epoch):
            name = f"epoch-{epoch + 1}"
            outcome.checkpoints.append(
                await session.save_checkpoint(name, step=outcome.steps, epoch=epoch + 1, loss=validation)
            )
        if outcome.stopped_early:
            break
    return outcome


def _due(config: TrainingConfig, epoch: int) -> bool:
    return (epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs


def _live(outcome: TrainingOutcome) -> str:
    return f"loss {outcome.losses[-1].loss:.4f}" if outcome.losses else ""


def _check_finite(kind: str, step: TrainStep, number: int) -> None:
    if not abs(step.loss_sum) < float("inf"):
        raise StageError(
            "backend_call", f"{kind} loss is {step.loss_sum} at step {number}; try a lower learning_rate"
        )


async def _note_held_out(
    session: Session, rows: Rows, config: TrainingConfig, outcome: TrainingOutcome, *, epoch: int
) -> float | None:
    loss_sum = weight_sum = 0.0
    for start in range(0, rows.count, config.batch_size):
        batch = await rows.take(range(start, min(start + config.batch_size, rows.count)))
        step = await session.evaluate(batch)
        _check_finite("held-out", step, outcome.steps)
        loss_sum += step.loss_sum
        weight_sum += step.weight_sum
    if weight_sum == 0:
        return None
    loss = loss_sum / weight_sum
    point = LossPoint(
        step=outcome.steps, epoch=float(epoch), loss=loss, split="validation", weight=weight_sum
    )
    outcome.losses.append(point)
    return loss
