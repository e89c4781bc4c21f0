"""The sessions of a run: opens each system's, trains those that are to be trained, closes all.

Called by ``backend_call``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..messages.errors import InputError, StageError
from ..messages.records import CheckpointRef
from ..messages.trace import Decision
from .durability import Durability, HeldSampler, TrainingEffects
from .ports import QueuedSession, Sampler, Session
from .stage import StageBase, Wiring
from .systems import SystemSpec
from .training_loop import TrainingOutcome, train
from .training_record import RECORD, read_record, write_record
from .waiting_rows import WaitingRows

__all__ = ["OpenedSystems"]


class OpenedSystems:
    """Sessions of the model, the baselines and the members of an ensemble, one after another."""

    def __init__(
        self,
        stage: StageBase,
        wiring: Wiring,
        *,
        mode: str,
        seed: int,
        workdir: Path,
        durable: Durability | None = None,
    ) -> None:
        self._stage = stage
        self._wiring = wiring
        self._mode = mode
        self._seed = seed
        self._durable = durable
        self._folder = workdir / "checkpoints"
        self._sessions: list[Session] = []
        self.outcomes: dict[str, TrainingOutcome] = {}
        self.checkpoints: dict[int, CheckpointRef] = {}
        """What the trained ones are asked with, by the id of their SystemSpec."""
        self._queued: dict[str, QueuedSession] = {}
        self._rows = self._without_reference = 0

    async def model(self, spec: SystemSpec, rows: WaitingRows | None) -> Sampler | None:
        """The model's sampler, of its chosen checkpoint when the mode trains; None in mode train."""
        return await self._sampler(spec, rows, self._folder, trains=self._mode != "sample")

    async def other(self, spec: SystemSpec, rows: WaitingRows | None) -> Sampler:
        """The sampler of a baseline, tier or member; its checkpoints have a folder of their own."""
        folder = self._folder / f"{len(self._sessions)}-{re.sub(r'[^A-Za-z0-9.-]', '_', spec.name)[:80]}"
        sampler = await self._sampler(spec, rows, folder, trains=self._mode != "sample" and spec.train)
        assert sampler is not None
        return sampler

    async def _sampler(
        self, spec: SystemSpec, rows: WaitingRows | None, folder: Path, *, trains: bool
    ) -> Sampler | None:
        session = await spec.backend.open(spec.options, seed=self._seed, workdir=folder)
        self._sessions.append(session)
        checkpoint = await self._train(session, spec, rows, folder) if trains else None
        if checkpoint is not None:
            self.checkpoints[id(spec)] = checkpoint
        if self._mode == "train":
            return None
        sampler = await session.sampler(checkpoint)
        return sampler if self._durable is None else HeldSampler(sampler, self._durable.current)

    async def _train(
        self, session: Session, spec: SystemSpec, rows: WaitingRows | None, folder: Path
    ) -> CheckpointRef:
        if rows is None:
            raise StageError("backend_call", "training needs the rows to wait first")
        training, without = await rows.with_reference("train", or_all=self._mode == "train")
        held_out, _ = await rows.with_reference("validation")
        if not training.count:
            raise InputError(
                f"mode {self._mode!r} needs training rows with a reference: "
                "set dataset.options.split, or split_key"
            )
        started = self._wiring.elapsed()

        async def report(done: int, total: int, note: str) -> None:
            await self._stage.progress(done, total, note, phase=f"train {spec.name}")

        resume, effects = spec.training.resume, None
        if self._durable is not None:
            effects = TrainingEffects(
                self._durable, stage=self._wiring.stage, system=spec.name, backend=spec.backend_id
            )
            if await asyncio.to_thread((folder / RECORD).is_file):  # of an earlier attempt of this run
                resume = str(folder)
        outcome = await train(
            session,
            training,
            held_out,
            spec.training,
            seed=self._seed,
            report=report,
            save=lambda record: write_record(folder, record),
            resume=None if resume is None else await asyncio.to_thread(read_record, resume),
            effects=effects,
        )
        self.outcomes[spec.name] = outcome
        if isinstance(session, QueuedSession):
            self._queued[spec.name] = session
        self._rows, self._without_reference = training.count, without
        chosen = outcome.chosen(spec.training.keep)
        decision = Decision(
            kind="checkpoint",
            chosen=chosen.name,
            alternatives=tuple(each.name for each in outcome.checkpoints if each is not chosen),
            why=f"keep = {spec.training.keep}"
            + ("" if chosen.loss is None else f", held-out loss {chosen.loss:.6g}"),
        )
        await self._stage.span(
            f"train {spec.name}",
            "train",
            started,
            steps=outcome.steps,
            epochs=outcome.epochs,
            decisions=(decision,),
        )
        return chosen

    def metrics(self, model: SystemSpec, others: Sequence[SystemSpec]) -> dict[str, Any]:
        """JSON-ready figures; none when the model was not trained."""
        outcome = self.outcomes.get(model.name)
        if outcome is None:
            return {}
        return {
            "training": {
                "rows": self._rows,
                "rows_without_reference": self._without_reference,
                **outcome.metrics(model.training.keep),
                **({"service": self._queued[model.name].figures()} if model.name in self._queued else {}),
            },
            "baseline_training": {
                spec.name: self.outcomes[spec.name].metrics(spec.training.keep)
                for spec in others
                if spec.name in self.outcomes and spec.name != model.name
            },
        }

    async def close(self) -> None:
        """Release everything."""
        for session in self._sessions:
            await session.aclose()
