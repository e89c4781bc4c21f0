"""``backend_call``: trains the model, asks it and the baselines, joins the answers to their examples by id.

Nothing is asked of a backend before every row has passed the checks (``gate``): rows wait in a file. Then
``concurrency`` rows are in flight at any time, and answers go on in the order of the rows, whatever order
they arrive in, within a bounded window. A request that fails for good leaves an output with its error, which
scores as an empty answer; too many of them fail the run. When the money is used up no more is asked, and the
rows that were answered whole go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ...messages.errors import InputError, StageError
from ...messages.findings import Verdict
from ...messages.flow import Batch, EndOfStream, Sample, StageResult
from ...messages.records import Output, SamplingParams
from ..answers import was_not_asked
from ..asking import Asker
from ..failures import Failures
from ..limits import RetryPolicy, RunLimits
from ..opened_systems import OpenedSystems
from ..ports import Sampler
from ..runtime import handler
from ..slots import Slots
from ..stage import StageBase, Tally, Wiring
from ..system_tally import SystemTally
from ..systems import Asking, SystemSpec
from ..voting.settings import EnsembleSettings
from ..waiting_rows import WaitingRows, is_asked
from .backend_settings import BackendCallOptions, BackendSettings

if TYPE_CHECKING:
    from ..dialectic.answers import Dialectics
    from ..voting.ensemble import Ensemble

__all__ = ["BackendCall", "BackendCallOptions", "BackendSettings", "SystemSpec"]

READ_CHUNK = 64
CLONE_PAUSE_S = 0.05
WAITS_TOLD_EVERY_S = 1.0
LEARN_ROWS = 1_000
"""Most rows of the validation split that the weights and the calibration of an ensemble are learned from."""
WINDOW = 8
"""Rows in flight or waiting for an earlier row, as a multiple of the concurrency."""


class BackendCall(StageBase):
    """The stage that spends. Not restartable: its failure ends the run."""

    def __init__(self, wiring: Wiring, settings: BackendSettings, tally: Tally) -> None:
        super().__init__(wiring, tally)
        self._settings = settings
        self._options = settings.options
        self._rows: WaitingRows | None = None
        self._stream: asyncio.Queue[tuple[Sample, ...] | None] = asyncio.Queue(2)
        learns = settings.ensemble is not None and settings.ensemble.learns
        self._gated = settings.options.gate or settings.options.trains or learns
        self._ended = asyncio.Event()
        self._opened = OpenedSystems(
            self,
            wiring,
            mode=settings.options.mode,
            seed=settings.seed,
            workdir=settings.workdir,
            durable=settings.durable,
        )
        self._systems: dict[str, SystemTally] = {}
        self._failures = Failures(settings.options.max_failed, quorum=settings.quorum)
        self._asked = self._answered = self._done = 0
        self._limits: RunLimits | None = None
        self._hedging: dict[str, Any] | None = None
        self._cached: dict[str, Any] | None = None
        self._replayed = 0
        self._ensemble: Ensemble | None = None
        self._dialectic: Dialectics | None = None

    async def on_start(self) -> None:
        """Open the waiting room and the worker."""
        concurrency = self._options.concurrency
        self._limits = RunLimits(self._settings.limits, self.context.clock, concurrency=concurrency)
        if self._gated:
            # On the loop, one system call: a cancellation must not part the open file from its owner.
            self._rows = WaitingRows(self._settings.workdir)
        self.context.create_task(self._run(), name="backend_call")

    async def on_stop(self) -> None:
        """Release sessions and files."""
        await self._opened.close()
        if self._rows is not None:
            self._rows.close()

    async def emit(self, samples: Sequence[Sample]) -> None:
        """Hand samples on; a durable run keeps them first."""
        if self._settings.durable is not None and samples:
            await asyncio.to_thread(self._settings.durable.stream.append, samples)
        await super().emit(samples)

    async def before_result(self, result: StageResult) -> None:
        """From here on a later attempt of a durable run begins after this stage."""
        if self._settings.durable is not None:
            results = (*self._tally.upstream, result)
            await asyncio.to_thread(self._settings.durable.stream.finish, results)

    @handler
    async def on_batch(self, message: Batch) -> None:
        """Let rows wait, or hand them to the worker."""
        await self.begin()
        self._tally.received += len(message.samples)
        if self._rows is not None:
            await self._rows.append(message.samples)
            return
        evaluate = self._settings.evaluate
        await self._stream.put(tuple(s for s in message.samples if is_asked(s.example, evaluate)))

    @handler
    async def on_end(self, _message: EndOfStream) -> None:
        """All rows have passed the checks: spending may begin."""
        await self.begin()
        self._ended.set()
        if self._rows is None:
            await self._stream.put(None)

    async def _run(self) -> None:
        if self._gated:
            await self._ended.wait()
        started = self._wiring.elapsed()
        settings, sampler = self._settings, None
        wanted = settings.ensemble is None or self._options.trains
        if wanted or any(member.is_model for member in settings.members):
            sampler = await self._opened.model(settings.model, self._rows)
        if self._options.samples:
            await self._ask_all(sampler)
            self._check_failures()
        self._tally.busy_s += self._wiring.elapsed() - started
        await self.complete(self._result())
        self._release()

    def _release(self) -> None:
        """What is kept of every row has been handed on."""
        if self._rows is not None:
            self._rows.close()
        self._rows = None
        self._systems = {}

    async def _ask_all(self, model: Sampler | None) -> None:
        """Every row, by the model or its ensemble and by the baselines."""
        settings, systems = self._settings, list[tuple[SystemSpec, Sampler]]()
        if settings.ensemble is None and model is not None:
            systems.append((settings.model, model))
        for spec in settings.baselines:
            systems.append((spec, await self._opened.other(spec, self._rows)))
        slots = Slots(self._options.concurrency)
        asker = Asker(self, self._wiring, await self._asking(systems))
        if settings.ensemble is not None:
            self._ensemble = await self._make_ensemble(settings.ensemble, model, asker, slots)
        elif settings.dialectic is not None and model is not None:
            from ..dialectic.answers import Dialectics

            guard = settings.guard
            self._dialectic = Dialectics(
                settings.dialectic,
                settings.model,
                model,
                asker,
                self,
                self._wiring,
                guard.scrub if guard is not None and guard.redacts else None,
            )
        await self._sample(systems, asker, slots)
        self._hedging = await asker.close()
        self._cached = asker.cache_figures()
        self._replayed = asker.replayed

    async def _make_ensemble(
        self, settings: EnsembleSettings, model: Sampler | None, asker: Asker, slots: Slots
    ) -> Ensemble:
        from ..voting.ensemble import Ensemble

        members = []
        for spec in self._settings.members:
            own = model if spec.is_model else None
            members.append((spec, own or await self._opened.other(spec, self._rows)))
        name = self._settings.model.name
        guard = self._settings.guard
        redact = guard.redact if guard is not None and guard.redacts else None
        ensemble = Ensemble(name, settings, members, asker, slots, self, self._wiring, redact)
        if ensemble.learns and self._rows is not None:
            rows, _ = await self._rows.with_reference("validation")
            await ensemble.learn(await rows.take(range(min(rows.count, LEARN_ROWS))))
        return ensemble

    async def _asking(self, samplers: Sequence[tuple[SystemSpec, Sampler]]) -> Asking:
        options, settings = self._options, self._settings
        known = {spec.name: (spec, sampler) for spec, sampler in samplers}
        tiers = [samplers[0]] if settings.tiers else []
        for spec in settings.tiers:
            if spec.name not in known:
                known[spec.name] = (spec, await self._opened.other(spec, self._rows))
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
            run_id=settings.workdir.name,
            concurrency=options.concurrency,
            limits=self._limits,
            cache=settings.cache,
            journal=None if settings.durable is None else settings.durable.journal,
            model=settings.model,
            checkpoints=self._opened.checkpoints,
            hedging=settings.hedging,
            tiers=tiers,
        )

    # sampling

    async def _sample(
        self, systems: Sequence[tuple[SystemSpec, Sampler]], asker: Asker, slots: Slots
    ) -> None:
        voting = [] if self._ensemble is None else [self._settings.model]
        for spec in (*voting, *(spec for spec, _ in systems)):
            self._systems[spec.name] = SystemTally("ensemble" if spec in voting else spec.backend_id)
        if self._dialectic is not None and self._dialectic.thesis_as is not None:
            self._systems[self._dialectic.thesis_as] = SystemTally(self._settings.model.backend_id)
        total = None if self._rows is None else self._rows.count(self._settings.evaluate)
        if total == 0:
            raise InputError(
                f"no row is in split {self._settings.evaluate!r}: see dataset.split and dataset.options.split"
            )
        self._failures.total = total
        options, ensemble = self._options, self._ensemble
        window = asyncio.Semaphore(options.concurrency * WINDOW)
        lanes = slots if ensemble is None else Slots(options.concurrency)
        waiting: asyncio.Queue[asyncio.Task[Sample | None] | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                emitting = group.create_task(self._emit_in_order(waiting, window, total))
                beside = [group.create_task(self._tell_waits(total))]
                async for sample in self._wanted():
                    if self._stopped is not None:  # but take all rows in: whoever sends them must not wait
                        self._asked -= 1
                        continue
                    await window.acquire()
                    lane = await lanes.take()
                    work = (
                        self._answer(sample, systems, asker, lane, lanes)
                        if ensemble is None
                        else self._vote(sample, ensemble, systems, asker, lane, lanes, slots)
                    )
                    waiting.put_nowait(group.create_task(work))
                    await asyncio.sleep(0)  # else thousands of requests start in one turn of the loop
                waiting.put_nowait(None)
                if self._settings.hedging is not None and self._settings.hedging.racing.clone_at_end:
                    beside.append(group.create_task(self._clone_into(asker, slots)))
                await emitting
                for task in beside:
                    task.cancel()
        except BaseExceptionGroup as group_of_errors:
            raise first_leaf(group_of_errors) from None

    async def _tell_waits(self, total: int | None) -> None:
        """Requests that wait for a limit finish no row: say what they wait for."""
        while True:
            await self.context.sleep(WAITS_TOLD_EVERY_S)
            note = self._limits.note() if self._limits is not None else ""
            if note:
                await self.progress(self._done, total, note, phase="sample")

    async def _clone_into(self, asker: Asker, slots: Slots) -> None:
        """No rows wait: while slots are free, they clone the longest-running requests."""
        while True:
            await slots.idle()
            wait = await asker.clone_oldest(slots.free)
            if wait != 0:
                await self.context.sleep(CLONE_PAUSE_S if wait is None else wait)

    async def _wanted(self) -> AsyncIterator[Sample]:
        if self._rows is not None:
            async for sample in self._rows.asked(self._settings.evaluate):
                self._asked += 1
                yield sample
            return
        while (batch := await self._stream.get()) is not None:
            for sample in batch:
                self._asked += 1
                yield sample

    async def _emit_in_order(
        self,
        waiting: asyncio.Queue[asyncio.Task[Sample | None] | None],
        window: asyncio.Semaphore,
        total: int | None,
    ) -> None:
        batch = list[Sample]()
        deferred = self._ensemble is not None and self._ensemble.deferred
        while (task := await waiting.get()) is not None:
            sample = await task
            if sample is not None:
                batch.append(sample)
                self._answered += 1
            self._done += 1
            window.release()
            if not deferred and (len(batch) >= READ_CHUNK or waiting.empty()):
                await self.emit(batch)
                batch = []
            await self.progress(self._done, total, phase="sample")
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
    ) -> Sample | None:
        """None when there was no money for all of its answers."""
        outputs, verdicts = list(sample.outputs), list(sample.verdicts)
        try:
            for spec, sampler in systems:
                if self._dialectic is not None and spec is self._settings.model:
                    found = await self._dialectic.answer(sample.example, slot)
                else:
                    found = (await asker.ask(spec, sampler, sample.example, slot),)
                if was_not_asked(found[0]):
                    if self._dialectic is None or not found[0].attempts:  # else it was asked in part
                        self._leave_out(outputs)
                    return None
                outputs += [self._counted(output, verdicts) for output in found]
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
    ) -> Sample | None:
        """As ``_answer``, with a slot for each request; an answer that does not stand yet is not counted."""
        outputs, verdicts = list(sample.outputs), list(sample.verdicts)
        try:
            voted = await ensemble.answer(sample.example, lane)
            if was_not_asked(voted):
                self._leave_out(voted.ballots.members if voted.ballots is not None else ())
                return None
            if not ensemble.deferred:
                voted = self._counted(voted, verdicts)
            outputs.append(voted)
            for spec, sampler in systems:
                slot = await slots.take()
                try:
                    output = await asker.ask(spec, sampler, sample.example, slot)
                finally:
                    slots.give(slot)
                if was_not_asked(output):
                    self._leave_out(outputs)
                    return None
                outputs.append(self._counted(output, verdicts))
        finally:
            lanes.give(lane)
        return msgspec.structs.replace(sample, outputs=tuple(outputs), verdicts=tuple(verdicts))

    def _leave_out(self, outputs: Sequence[Output]) -> None:
        """A row for which the money did not suffice; counted as asked when some of it was answered."""
        self._asked -= all(was_not_asked(each) for each in outputs)

    async def _decide_all(self, ensemble: Ensemble, samples: Sequence[Sample]) -> list[Sample]:
        """Put the outcomes in the place of what was answered."""
        at = len(samples[0].outputs) - 1 - len(self._settings.baselines) if samples else 0
        answers = [(sample.example, sample.outputs[at]) for sample in samples]
        decided = []
        for sample, output in zip(samples, await ensemble.decide(answers), strict=True):
            verdicts = list(sample.verdicts)
            counted = self._counted(output, verdicts)
            outputs = (*sample.outputs[:at], counted, *sample.outputs[at + 1 :])
            decided.append(msgspec.structs.replace(sample, outputs=outputs, verdicts=tuple(verdicts)))
        return decided

    def _counted(self, output: Output, verdicts: list[Verdict]) -> Output:
        """Count an output that stands, and scan it."""
        self._systems[output.system].add(output)
        self._failures.add(output)
        if self._settings.guard is not None and output.error is None:
            verdict, output = self._settings.guard.scan(output)
            verdicts.append(verdict)
        return output

    @property
    def _stopped(self) -> str | None:
        """Why no more is asked, as the limits say."""
        return None if self._limits is None else self._limits.stopped

    def _check_failures(self) -> None:
        if self._stopped is not None and not self._answered:
            raise StageError("backend_call", f"no row was answered: {self._stopped}")
        self._failures.check(self._asked if self._stopped is None else self._answered)

    def _result(self) -> StageResult:
        settings = self._settings
        outcome = self._opened.outcomes.get(settings.model.name)
        metrics: dict[str, Any] = {
            "mode": self._options.mode,
            "systems": {name: tally.metrics() for name, tally in self._systems.items()},
            "not_asked": self._tally.received - self._asked if self._options.samples else 0,
            **({"left_out": self._asked - self._answered} if self._stopped is not None else {}),
            **self._opened.metrics(settings.model, (*settings.baselines, *settings.members)),
        }
        if self._hedging is not None:
            metrics["hedging"] = self._hedging
        if self._ensemble is not None:
            metrics["ensemble"] = self._ensemble.metrics()
        if self._dialectic is not None:
            metrics["dialectic"] = self._dialectic.metrics()
        limits = self._limits.figures() if self._limits is not None else None
        if limits is not None:
            metrics["limits"] = limits
        notes: list[Any] = [self._failures.note(self._asked)]
        if self._replayed:
            metrics["replayed"] = self._replayed
            notes.append(f"answers that an earlier attempt of this run had got: {self._replayed}")
        notes.append(self._dialectic and self._dialectic.note(self._options.max_failed))
        if self._cached is not None:
            metrics["cache"] = self._cached
            damaged = self._cached["damaged"]
            notes.append(damaged and f"damaged entries of the cache that were skipped: {damaged}")
        if self._settings.guard is not None:
            metrics["guardrails"] = self._settings.guard.metrics()
        return StageResult(
            stage="backend_call",
            status="completed",
            reason="; ".join(note for note in notes if note) or None,
            stopped=self._stopped and f"{self._stopped}; {self._answered} rows were answered",
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
