"""Trains a session: epochs over a spool of rows, with held-out loss, checkpoints and early stopping.

Called by ``opened_systems``. Knows sessions by their port only; decides by pure functions of ``schedule``.
A session that queues work gets the next steps before the results of earlier ones are there, up to its
``ahead``; before a held-out loss or a checkpoint all results are waited for, so that both are of the step
they are said to be of.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..messages.errors import BackendError, InputError, StageError
from ..messages.flow import LossPoint
from ..messages.records import CheckpointRef, Example, TrainStep
from ..messages.training import EpochLoss, TrainingConfig, TrainingRecord
from .durability import TrainingEffects
from .ports import PendingStep, QueuedSession, Session
from .schedule import epoch_order, learning_rate, steps_per_epoch
from .training_record import identity

__all__ = ["Rows", "TrainingOutcome", "train"]

Report = Callable[[int, int, str], Awaitable[None]]
"""Called with steps done, steps in all, and a short live figure."""
Save = Callable[[TrainingRecord], None]
"""Keeps the record of a checkpoint; blocking."""
NOTICE_S = 1.0
"""How often a slow step is looked at for what the service says."""


@dataclass(slots=True)
class TrainingOutcome:
    """What training came to. Losses are means per unit of weight (token, sentence)."""

    losses: list[LossPoint] = field(default_factory=list)
    checkpoints: list[CheckpointRef] = field(default_factory=list)
    unit: str = "token"
    steps: int = 0
    epochs: int = 0
    stopped_early: bool = False
    resumed_at: int | None = None
    """Step of the checkpoint that training went on from."""
    epoch_losses: list[EpochLoss] = field(default_factory=list)

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
            "epoch_losses": msgspec.to_builtins(self.epoch_losses),
            "checkpoint": chosen.name,
            "held_out_loss": chosen.loss,
            **({} if self.resumed_at is None else {"resumed_at": self.resumed_at}),
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
    save: Save | None = None,
    resume: TrainingRecord | None = None,
    effects: TrainingEffects | None = None,
) -> TrainingOutcome:
    """Run all epochs, or those that are left after the record.

    With ``effects`` what changes something outside is written down before it is done, and the training saves
    a checkpoint and rests when its safe point is asked for.

    Raises StageError when a loss is not finite, and InputError for patience without held-out rows, for rows
    that are all left out, and for a record of another training.
    """
    if config.patience is not None and not held_out.count:
        raise InputError(
            "backend.options.patience: needs held-out rows with a reference: give dataset.options.split a "
            "validation share, or leave patience out"
        )
    loop = _Loop(session, training, held_out, config, seed=seed, report=report, save=save, effects=effects)
    if effects is None:
        await loop.begin(resume)
        await loop.run()
        return loop.outcome
    effects.safe_point.enter()
    try:
        await loop.begin(resume)
        await loop.run()
    finally:
        effects.safe_point.leave()
    return loop.outcome


@dataclass(slots=True)
class _Done:
    """The step of a session that queues nothing."""

    step: TrainStep

    async def result(self) -> TrainStep:
        return self.step


class _Loop:
    """One training and where it is."""

    def __init__(
        self,
        session: Session,
        training: Rows,
        held_out: Rows,
        config: TrainingConfig,
        *,
        seed: int,
        report: Report,
        save: Save | None,
        effects: TrainingEffects | None,
    ) -> None:
        self._effects = effects
        self._session, self._training, self._held_out, self._config = session, training, held_out, config
        self._seed, self._report, self._save = seed, report, save
        self._queue = session if isinstance(session, QueuedSession) else None
        self._pending: deque[tuple[PendingStep, float]] = deque()
        self._per_epoch = steps_per_epoch(training.count, config.batch_size)
        self._total = self._per_epoch * config.epochs
        self._started = 0
        self._epoch_sum = self._epoch_weight = 0.0
        self._best: float | None = None
        self._since_best = 0
        self._identity = ""
        self.outcome = TrainingOutcome()

    async def begin(self, resume: TrainingRecord | None) -> None:
        """Take the held-out loss before the first step, or go back to the last checkpoint of the record."""
        first = await self._training.take(self._order(0)[: self._config.batch_size])
        self._identity = identity(self._config, rows=self._training.count, seed=self._seed, first=first)
        if resume is None:
            await self._note_held_out(0.0)
            return
        if resume.identity != self._identity:
            raise InputError(
                "backend.options.resume: that run trained on other rows, or in another order "
                "(seed, batch_size, shuffle): expected a run of this experiment"
            )
        await self._session.load_checkpoint(resume.checkpoints[-1])
        self._started = resume.steps
        self._epoch_sum, self._epoch_weight = resume.epoch_sum, resume.epoch_weight
        self._best, self._since_best = resume.best, resume.since_best
        self.outcome = TrainingOutcome(
            losses=list(resume.losses),
            checkpoints=list(resume.checkpoints),
            unit=resume.unit,
            steps=resume.steps,
            epochs=resume.steps // self._per_epoch,
            stopped_early=resume.stopped_early,
            resumed_at=resume.steps,
            epoch_losses=list(resume.epoch_losses),
        )

    async def run(self) -> None:
        """Every epoch that is left. A backend that refuses for good is told with what can be gone on from."""
        try:
            await self._epochs()
        except BackendError as error:
            if type(error) is not BackendError or not self.outcome.checkpoints:
                raise
            raise BackendError(f"{error}; {_last(self.outcome.checkpoints)}") from error

    async def _epochs(self) -> None:
        for epoch in range(self._started // self._per_epoch, self._config.epochs):
            if self.outcome.stopped_early:
                return
            order, size = self._order(epoch), self._config.batch_size
            for batch in range(self._started % self._per_epoch, self._per_epoch):
                await self._start(await self._training.take(order[batch * size : (batch + 1) * size]))
                await self._finish(down_to=self._queue.ahead if self._queue else 0)
                if batch + 1 < self._per_epoch:
                    await self._within_epoch()
                    await self._rest_if_wanted()
            await self._end_epoch(epoch)
            await self._rest_if_wanted()

    def _order(self, epoch: int) -> Sequence[int]:
        return epoch_order(self._training.count, epoch, self._seed, shuffle=self._config.shuffle)

    # steps

    async def _start(self, rows: Sequence[Example]) -> None:
        rate = learning_rate(self._config, self._started, self._total, self._training.count)
        if self._queue is not None:
            if self._effects is not None:
                await self._effects.step_begins(self._started + 1)
            pending = await self._queue.submit_step(rows, rate)
        else:
            step = await self._session.train_step(rows)
            await self._session.optim_step(rate)
            pending = _Done(step)
        self._started += 1
        self._pending.append((pending, rate))

    async def _finish(self, *, down_to: int) -> None:
        while len(self._pending) > down_to:
            pending, rate = self._pending.popleft()
            self._count(await self._result(pending), rate)
            if self._queue is not None and self._effects is not None:
                await self._effects.step_ended(self.outcome.steps)
            await self._report(self.outcome.steps, self._total, self._live())

    async def _result(self, pending: PendingStep) -> TrainStep:
        """Of a step; while it takes long, what the service says is reported."""
        if self._queue is None:
            return await pending.result()
        waiting, told = asyncio.ensure_future(pending.result()), self._queue.notice
        try:
            while not (await asyncio.wait((waiting,), timeout=NOTICE_S))[0]:
                if self._queue.notice != told:
                    told = self._queue.notice
                    await self._report(self.outcome.steps, self._total, self._live())
        finally:
            waiting.cancel()
        return waiting.result()

    def _count(self, step: TrainStep, rate: float) -> None:
        outcome = self.outcome
        _check_finite("training", step, outcome.steps + 1, outcome.checkpoints)
        outcome.steps += 1
        outcome.unit = step.unit
        self._epoch_sum += step.loss_sum
        self._epoch_weight += step.weight_sum
        if step.weight_sum > 0:
            outcome.losses.append(
                LossPoint(
                    step=outcome.steps,
                    epoch=outcome.steps / self._per_epoch,
                    loss=step.loss_sum / step.weight_sum,
                    split="train",
                    weight=step.weight_sum,
                    learning_rate=rate,
                    terms=step.terms,
                )
            )

    def _live(self) -> str:
        loss = next((point.loss for point in reversed(self.outcome.losses) if point.split == "train"), None)
        parts = [f"loss {loss:.4f}"] if loss is not None else []
        if self._queue is not None and self._queue.notice:
            parts.append(self._queue.notice)
        return ", ".join(parts)

    # held-out loss and checkpoints

    async def _within_epoch(self) -> None:
        config, step = self._config, self._started
        evaluates = config.evaluate_every_steps is not None and step % config.evaluate_every_steps == 0
        saves = config.checkpoint_every_steps is not None and step % config.checkpoint_every_steps == 0
        if not evaluates and not saves:
            return
        await self._finish(down_to=0)
        loss = await self._note_held_out(step / self._per_epoch) if evaluates else None
        if saves:
            await self._checkpoint(f"step-{step}", step // self._per_epoch, loss)

    async def _end_epoch(self, epoch: int) -> None:
        await self._finish(down_to=0)
        if not self._epoch_weight:
            raise InputError(
                f"backend.options: nothing to learn from: the backend left all {self._training.count} "
                "training rows out, as too long (max_length, too_long)"
            )
        outcome, config = self.outcome, self._config
        outcome.epochs = epoch + 1
        validation = await self._note_held_out(float(epoch + 1))
        mean = self._epoch_sum / self._epoch_weight
        outcome.epoch_losses.append(EpochLoss(epoch=epoch + 1, train=mean, validation=validation))
        self._epoch_sum = self._epoch_weight = 0.0
        if validation is not None and (self._best is None or validation < self._best):
            self._best, self._since_best = validation, 0
        else:
            self._since_best += 1
        outcome.stopped_early = config.patience is not None and self._since_best >= config.patience
        if outcome.stopped_early or _due(config, epoch):
            await self._checkpoint(f"epoch-{epoch + 1}", epoch + 1, validation)

    async def _rest_if_wanted(self) -> None:
        """Save what there is and wait for the end, when the run is to be stopped."""
        if self._effects is None or not self._effects.safe_point.wanted:
            return
        await self._finish(down_to=0)
        saved = self.outcome.checkpoints
        if not saved or saved[-1].step < self.outcome.steps:
            await self._checkpoint(f"step-{self.outcome.steps}", self.outcome.steps // self._per_epoch, None)
        await self._effects.safe_point.rest()

    async def _checkpoint(self, name: str, epoch: int, loss: float | None) -> None:
        outcome = self.outcome
        if self._effects is not None:
            await self._effects.checkpoint_begins(name, outcome.steps)
        ref = await self._session.save_checkpoint(name, step=outcome.steps, epoch=epoch, loss=loss)
        outcome.checkpoints.append(ref)
        if self._save is None:
            return
        record = TrainingRecord(
            identity=self._identity,
            steps=outcome.steps,
            checkpoints=tuple(outcome.checkpoints),
            losses=tuple(outcome.losses),
            epoch_losses=tuple(outcome.epoch_losses),
            epoch_sum=self._epoch_sum,
            epoch_weight=self._epoch_weight,
            unit=outcome.unit,
            best=self._best,
            since_best=self._since_best,
            stopped_early=outcome.stopped_early,
        )
        await asyncio.to_thread(self._save, record)
        if self._effects is not None:
            await self._effects.checkpoint_ended(ref)

    async def _note_held_out(self, epoch: float) -> float | None:
        loss_sum = weight_sum = 0.0
        rows, size = self._held_out, self._config.batch_size
        for start in range(0, rows.count, size):
            step = await self._session.evaluate(await rows.take(range(start, min(start + size, rows.count))))
            _check_finite("held-out", step, self.outcome.steps, self.outcome.checkpoints)
            loss_sum += step.loss_sum
            weight_sum += step.weight_sum
        if weight_sum == 0:
            return None
        loss = loss_sum / weight_sum
        self.outcome.losses.append(
            LossPoint(step=self.outcome.steps, epoch=epoch, loss=loss, split="validation", weight=weight_sum)
        )
        return loss


def _due(config: TrainingConfig, epoch: int) -> bool:
    return (epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs


def _check_finite(kind: str, step: TrainStep, number: int, saved: Sequence[CheckpointRef]) -> None:
    if not abs(step.loss_sum) < float("inf"):
        raise StageError(
            "backend_call",
            f"{kind} loss is {step.loss_sum} at step {number}; {_last(saved)}; try a lower learning_rate",
        )


def _last(saved: Sequence[CheckpointRef]) -> str:
    return f"the last good checkpoint is {saved[-1].uri}" if saved else "no checkpoint was saved before"
