"""``backend_call``: trains the model, asks it and the baselines, joins the answers to their examples by id.

Nothing is asked of a backend before every row has passed the checks (``gate``): rows wait in a file. Then
``concurrency`` rows are in flight at any time, and answers go on in the order of the rows, whatever order
they arrive in, within a bounded window. A request that fails for good leaves an output with its error, which
scores as an empty answer; too many of them fail the run.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...messages.base import Message
from ...messages.errors import InputError, StageError
from ...messages.findings import Verdict
from ...messages.flow import Batch, EndOfStream, Sample, StageResult
from ...messages.records import CheckpointRef, Example, Output, SamplingParams
from ..asking import Asker, Asking, SystemSpec
from ..hedging.racing_options import HedgeSettings
from ..limits import RetryPolicy
from ..ports import Sampler, Session
from ..runtime import handler
from ..slots import Slots
from ..spool import Spool
from ..stage import StageBase, Tally, Wiring
from ..system_tally import SystemTally
from ..training_loop import Rows, TrainingOutcome, train
from ..voting.settings import EnsembleSettings
from .guardrails import OutputGuard

if TYPE_CHECKING:
    from ..voting.ensemble import Ensemble

__all__ = ["BackendCall", "BackendCallOptions", "BackendSettings", "SystemSpec"]

READ_CHUNK = 64
CLONE_PAUSE_S = 0.05
LEARN_ROWS = 1_000
"""Most rows of the validation split that the weights of an ensemble are learned from."""
WINDOW = 8
"""Rows in flight or waiting for an earlier row, as a multiple of the concurrency."""


class BackendCallOptions(Message, frozen=True):
    """Options of backend_call. The training settings (epochs, ...) are in ``[backend.options]``."""

    mode: Annotated[
        Literal["train", "sample", "train_then_sample"],
        Meta(description="Train the model, ask it, or train it and then ask the best checkpoint."),
    ] = "sample"
    concurrency: Annotated[int, Meta(ge=1, le=10_000, description="Rows in flight at any time.")] = 16
    gate: Annotated[
        bool, Meta(description="Ask nothing before every row has passed the checks. Training always waits.")
    ] = True
    max_attempts: Annotated[int, Meta(ge=1, le=100, description="Tries per request.")] = 4
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for one answer, in seconds.")] = 120.0
    backoff_s: Annotated[
        float, Meta(ge=0, description="Upper end of the first retry's random wait; doubles each time.")
    ] = 0.5
    max_backoff_s: Annotated[float, Meta(ge=0, description="Longest such wait.")] = 30.0
    max_failed: Annotated[
        float, Meta(ge=0, le=1, description="Share of the model's requests that may fail for good.")
    ] = 0.1
    max_tokens: Annotated[int, Meta(ge=1, description="Longest answer, in tokens.")] = 512
    temperature: Annotated[float, Meta(ge=0, le=10, description="Sampling temperature.")] = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1, description="Nucleus sampling.")] = 1.0
    stop: Annotated[tuple[str, ...], Meta(description="Texts that end an answer.")] = ()

    @property
    def trains(self) -> bool:
        """Whether the mode trains."""
        return self.mode != "sample"

    @property
    def samples(self) -> bool:
        """Whether the mode asks."""
        return self.mode != "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """All that backend_call works by."""

    model: SystemSpec
    baselines: tuple[SystemSpec, ...]
    options: BackendCallOptions
    evaluate: str
    """Split that is asked: train, validation, test or all."""
    experiment_id: str
    seed: int
    workdir: Path
    guard: OutputGuard | None = None
    hedging: HedgeSettings | None = None
    """None: no request is raced."""
    tiers: tuple[SystemSpec, ...] = ()
    """The systems of tiered hedging after the model; those that are no baselines are asked as tiers only."""
    ensemble: EnsembleSettings | None = None
    """None: the model answers alone."""
    members: tuple[SystemSpec, ...] = ()
    """Of the ensemble, which answers under the name of the model."""


class BackendCall(StageBase):
    """The stage that spends. Not restartable: its failure ends the run."""

    def __init__(self, wiring: Wiring, settings: BackendSettings, tally: Tally) -> None:
        super().__init__(wiring, tally)
        self._settings = settings
        self._options = settings.options
        self._spool: Spool | None = None
        self._splits: dict[str, array[int]] = {}
        self._stream: asyncio.Queue[tuple[Sample, ...] | None] = asyncio.Queue(2)
        learns = settings.ensemble is not None and settings.ensemble.learns_weights
        self._gated = settings.options.gate or settings.options.trains or learns
        self._ended = asyncio.Event()
        self._sessions: list[Session] = []
        self._systems: dict[str, SystemTally] = {}
        self._trained: dict[str, TrainingOutcome] = {}
        self._rows_trained = self._rows_without_reference = 0
        self._skipped = 0
        self._asker: Asker | None = None
        self._hedging: dict[str, Any] | None = None
        self._ensemble: Ensemble | None = None

    async def on_start(self) -> None:
        """Open the waiting room and the worker."""
        if self._gated:
            self._spool = await asyncio.to_thread(Spool, self._settings.workdir)
        self.context.create_task(self._run(), name="backend_call")

    async def on_stop(self) -> None:
        """Release sessions and files."""
        for session in self._sessions:
            await session.aclose()
        if self._spool is not None:
            self._spool.close()

    @handler
    async def on_batch(self, message: Batch) -> None:
        """Let rows wait, or hand them to the worker."""
        await self.begin()
        self._tally.received += len(message.samples)
        if self._spool is None:
            wanted = tuple(s for s in message.samples if self._is_asked(s.example))
            self._skipped += len(message.samples) - len(wanted)
            await self._stream.put(wanted)
            return
        for number, sample in enumerate(message.samples, start=len(self._spool)):
            self._splits.setdefault(sample.example.split, array("q")).append(number)
        await asyncio.to_thread(self._spool.append, message.samples)

    @handler
    async def on_end(self, _message: EndOfStream) -> None:
        """All rows have passed the checks: spending may begin."""
        await self.begin()
        self._ended.set()
        if self._spool is None:
            await self._stream.put(None)

    def _is_asked(self, example: Example) -> bool:
        return self._settings.evaluate in ("all", example.split) or example.split == "all"

    async def _run(self) -> None:
        if self._gated:
            await self._ended.wait()
        started = self._wiring.elapsed()
        model, settings = self._settings.model, self._settings
        alone = settings.ensemble is None
        session = checkpoint = None
        if alone or self._options.trains or any(member.is_model for member in settings.members):
            session = await self._open(model)
        if session is not None and self._options.trains:
            checkpoint = await self._train(session, model)
        if self._options.samples:
            samplers = []
            if session is not None:
                samplers.append((model, await session.sampler(checkpoint)))
            await self._ask_all(samplers)
            self._check_failures()
        self._tally.busy_s += self._wiring.elapsed() - started
        await self.complete(self._result())

    async def _ask_all(self, model: Sequence[tuple[SystemSpec, Sampler]]) -> None:
        """Every row, by the model or its ensemble and by the baselines."""
        settings = self._settings
        systems = list(model) if settings.ensemble is None else []
        for spec in settings.baselines:
            systems.append((spec, await self._baseline_sampler(spec)))
        slots = Slots(self._options.concurrency)
        self._asker = Asker(self, self._wiring, await self._asking(systems))
        if settings.ensemble is not None:
            members = [
                (spec, model[0][1] if spec.is_model else await self._baseline_sampler(spec))
                for spec in settings.members
            ]
            self._ensemble = await self._make_ensemble(settings.ensemble, members, self._asker, slots)
        await self._sample(systems, self._asker, slots)
        self._hedging = await self._asker.close()

    async def _make_ensemble(
        self,
        settings: EnsembleSettings,
        members: Sequence[tuple[SystemSpec, Sampler]],
        asker: Asker,
        slots: Slots,
    ) -> Ensemble:
        from ..voting.ensemble import Ensemble

        name = self._settings.model.name
        ensemble = Ensemble(name, settings, members, asker, slots, self, self._wiring)
        if ensemble.learns:
            rows, _ = await self._trainable("validation")
            await ensemble.learn(await rows.take(range(min(rows.count, LEARN_ROWS))))
        return ensemble

    async def _open(self, spec: SystemSpec) -> Session:
        folder = self._settings.workdir / "checkpoints"
        session = await spec.backend.open(spec.options, seed=self._settings.seed, workdir=folder)
        self._sessions.append(session)
        return session

    async def _baseline_sampler(self, spec: SystemSpec) -> Sampler:
        session = await self._open(spec)
        checkpoint = await self._train(session, spec) if self._options.trains and spec.train else None
        return await session.sampler(checkpoint)

    async def _asking(self, samplers: Sequence[tuple[SystemSpec, Sampler]]) -> Asking:
        options, settings = self._options, self._settings
        known = {spec.name: (spec, sampler) for spec, sampler in samplers}
        tiers = [samplers[0]] if settings.tiers else []
        for spec in settings.tiers:
            if spec.name not in known:
                known[spec.name] = (spec, await self._baseline_sampler(spec))
            tiers.append(known[spec.name])
        return Asking(
            params=SamplingParams(
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                top_p=options.top_p,
                stop=options.stop,
            ),
            policy=RetryPolicy(
                max_attempts=options.max_attempts,
                timeout_s=options.timeout_s,
                base_s=options.backoff_s,
                cap_s=options.max_backoff_s,
            ),
            experiment_id=settings.experiment_id,
            seed=settings.seed,
            concurrency=options.concurrency,
            hedging=settings.hedging,
            tiers=tiers,
        )

    # training

    async def _train(self, session: Session, spec: SystemSpec) -> CheckpointRef:
        training, skipped = await self._trainable("train")
        held_out, _ = await self._trainable("validation")
        if not training.count:
            raise InputError(
                f"mode {self._options.mode!r} needs training rows with a reference: "
                "set dataset.options.split, or split_key"
            )
        started = self._wiring.elapsed()

        async def report(done: int, total: int, note: str) -> None:
            await self.progress(done, total, note, phase=f"train {spec.name}")

        outcome = await train(
            session, training, held_out, spec.training, seed=self._settings.seed, report=report
        )
        self._trained[spec.name] = outcome
        self._rows_trained, self._rows_without_reference = training.count, skipped
        await self.span(f"train {spec.name}", "train", started, steps=outcome.steps, epochs=outcome.epochs)
        return outcome.chosen(spec.training.keep)

    async def _trainable(self, split: str) -> tuple[Rows, int]:
        numbers = self._splits.get(split, array("q"))
        if split == "train" and self._options.mode == "train":
            numbers = numbers or self._splits.get("all", array("q"))
        spool = self._spool
        if spool is None:
            raise StageError("backend_call", "training needs the rows to wait first")

        def usable() -> array[int]:
            return array("q", (n for n in numbers if spool.read([n])[0].example.reference is not None))

        kept = await asyncio.to_thread(usable)

        def read(positions: Sequence[int]) -> list[Example]:
            return [sample.example for sample in spool.read([kept[p] for p in positions])]

        return Rows(read, len(kept)), len(numbers) - len(kept)

    # sampling

    async def _sample(
        self, systems: Sequence[tuple[SystemSpec, Sampler]], asker: Asker, slots: Slots
    ) -> None:
        voting = [] if self._ensemble is None else [self._settings.model]
        for spec in (*voting, *(spec for spec, _ in systems)):
            self._systems[spec.name] = SystemTally("ensemble" if spec in voting else spec.backend_id)
        total = self._asked_count()
        if total == 0:
            raise InputError(
                f"no row is in split {self._settings.evaluate!r}: see dataset.split and dataset.options.split"
            )
        options, ensemble = self._options, self._ensemble
        window = asyncio.Semaphore(options.concurrency * WINDOW)
        lanes = slots if ensemble is None else Slots(options.concurrency)
        waiting: asyncio.Queue[asyncio.Task[Sample] | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                emitting = group.create_task(self._emit_in_order(waiting, window, total))
                async for sample in self._rows():
                    await window.acquire()
                    lane = await lanes.take()
                    work = (
                        self._answer(sample, systems, asker, lane, lanes)
                        if ensemble is None
                        else self._vote(sample, ensemble, systems, asker, lane, lanes, slots)
                    )
                    waiting.put_nowait(group.create_task(work))
                waiting.put_nowait(None)
                if self._settings.hedging is not None and self._settings.hedging.racing.clone_at_end:
                    cloning = group.create_task(self._clone_into(asker, slots))
                    await emitting
                    cloning.cancel()
        except BaseExceptionGroup as group_of_errors:
            raise first_leaf(group_of_errors) from None

    async def _clone_into(self, asker: Asker, slots: Slots) -> None:
        """No rows wait: while slots are free, they clone the longest-running requests."""
        while True:
            await slots.idle()
            wait = await asker.clone_oldest(slots.free)
            if wait != 0:
                await self.context.sleep(CLONE_PAUSE_S if wait is None else wait)

    def _asked_count(self) -> int | None:
        if self._spool is None:
            return None
        return sum(
            len(n) for s, n in self._splits.items() if self._settings.evaluate in ("all", s) or s == "all"
        )

    async def _rows(self) -> AsyncIterator[Sample]:
        if self._spool is None:
            while (batch := await self._stream.get()) is not None:
                for sample in batch:
                    yield sample
            return
        for start in range(0, len(self._spool), READ_CHUNK):
            numbers = range(start, min(start + READ_CHUNK, len(self._spool)))
            for sample in await asyncio.to_thread(self._spool.read, numbers):
                if self._is_asked(sample.example):
                    yield sample
                else:
                    self._skipped += 1

    async def _emit_in_order(
        self,
        waiting: asyncio.Queue[asyncio.Task[Sample] | None],
        window: asyncio.Semaphore,
        total: int | None,
    ) -> None:
        done, batch = 0, list[Sample]()
        deferred = self._ensemble is not None and self._ensemble.deferred
        while (task := await waiting.get()) is not None:
            batch.append(await task)
            done += 1
            window.release()
            if not deferred and (len(batch) >= READ_CHUNK or waiting.empty()):
                await self.emit(batch)
                batch = []
            await self.progress(done, total, phase="sample")
        if deferred and self._ensemble is not None:
            batch = await self._decide_all(self._ensemble, batch)
        for start in range(0, len(batch), READ_CHUNK):
            await self.emit(batch[start : start + READ_CHUNK])

    async def _answer(
        self,
        sample: Sample,
        systems: Sequence[tuple[SystemSpec, Sampler]],
        asker: Asker,
        slot: int,
        slots: Slots,
    ) -> Sample:
        outputs, verdicts = list(sample.outputs), list(sample.verdicts)
        try:
            for spec, sampler in systems:
                output = await asker.ask(spec, sampler, sample.example, slot)
                outputs.append(self._counted(output, verdicts))
        finally:
            slots.give(slot)
        return msgspec.structs.replace(sample, outputs=tuple(outputs), verdicts=tuple(verdicts))

    async def _vote(
        self,
        sample: Sample,
        ensemble: Ensemble,
        systems: Sequence[tuple[SystemSpec, Sampler]],
        asker: Asker,
        lane: int,
        lanes: Slots,
        slots: Slots,
    ) -> Sample:
        """As ``_answer``, with a slot for each request; an answer that does not stand yet is not counted."""
        outputs, verdicts = list(sample.outputs), list(sample.verdicts)
        try:
            voted = await ensemble.answer(sample.example, lane)
            if not ensemble.deferred:
                ensemble.count(voted, sample.example)
                voted = self._counted(voted, verdicts)
            outputs.append(voted)
            for spec, sampler in systems:
                slot = await slots.take()
                try:
                    output = await asker.ask(spec, sampler, sample.example, slot)
                finally:
                    slots.give(slot)
                outputs.append(self._counted(output, verdicts))
        finally:
            lanes.give(lane)
        return msgspec.structs.replace(sample, outputs=tuple(outputs), verdicts=tuple(verdicts))

    async def _decide_all(self, ensemble: Ensemble, samples: Sequence[Sample]) -> list[Sample]:
        """Put the outcomes in the place of what was answered."""
        at = len(samples[0].outputs) - 1 - len(self._settings.baselines) if samples else 0
        answers = [(sample.example, sample.outputs[at]) for sample in samples]
        decided = []
        results = await asyncio.to_thread(ensemble.decide_all, answers)
        for sample, output in zip(samples, results, strict=True):
            verdicts = list(sample.verdicts)
            ensemble.count(output, sample.example)
            counted = self._counted(output, verdicts)
            outputs = (*sample.outputs[:at], counted, *sample.outputs[at + 1 :])
            decided.append(msgspec.structs.replace(sample, outputs=outputs, verdicts=tuple(verdicts)))
        return decided

    def _counted(self, output: Output, verdicts: list[Verdict]) -> Output:
        """Count an output that stands, and scan it."""
        self._systems[output.system].add(output)
        if self._settings.guard is not None and output.error is None:
            verdict, output = self._settings.guard.scan(output)
            verdicts.append(verdict)
        return output

    def _check_failures(self) -> None:
        model = self._systems[self._settings.model.name]
        if model.asked and model.failed / model.asked > self._options.max_failed:
            raise StageError(
                "backend_call",
                f"{model.failed} of {model.asked} requests failed, more than max_failed = "
                f"{self._options.max_failed:g}; the first: {model.first_error}",
            )

    def _result(self) -> StageResult:
        model = self._settings.model
        outcome = self._trained.get(model.name)
        metrics: dict[str, Any] = {
            "mode": self._options.mode,
            "systems": {name: tally.metrics() for name, tally in self._systems.items()},
            "not_asked": self._skipped,
        }
        if outcome is not None:
            metrics["training"] = {
                "rows": self._rows_trained,
                "rows_without_reference": self._rows_without_reference,
                **outcome.metrics(model.training.keep),
            }
            metrics["baseline_training"] = {
                spec.name: self._trained[spec.name].metrics(spec.training.keep)
                for spec in (*self._settings.baselines, *self._settings.members)
                if spec.name in self._trained and spec.name != model.name
            }
        if self._hedging is not None:
            metrics["hedging"] = self._hedging
        if self._ensemble is not None:
            metrics["ensemble"] = self._ensemble.metrics()
        if self._settings.guard is not None:
            metrics["guardrails"] = self._settings.guard.metrics()
        return StageResult(
            stage="backend_call",
            status="completed",
            metrics=metrics,
            losses=tuple(outcome.losses) if outcome else (),
            checkpoints=tuple(outcome.checkpoints) if outcome else (),
        )


def first_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception of a group of tasks: the one that made the others end."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
