"""The supervisor of one run: spawns the stages, joins them, restarts or stops them, and says how it went.

It decides by the kind of failure. Bad input and a failed stage end the run at once; a cancelled run ends as
asked; any other exception is a bug of a stage: the stage is restarted with the batch in hand if its work
allows it, at most ``MAX_RESTARTS`` times, and then the run fails with the error that shows why.
What the finished stages wrote is kept in every case.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..messages.control import (
    Artifact,
    Cancel,
    Progress,
    RunCompleted,
    RunEvent,
    RunResult,
    RunStarted,
    StageCompleted,
    StageFailed,
    StageStarted,
    Start,
)
from ..messages.errors import CrucibleError, InputError, OutputError, StageError
from ..messages.experiment import Experiment
from ..messages.flow import StageResult
from ..messages.report import Provenance
from ..messages.trace import Span, SpanStatus
from .ports import SpanExporter
from .run_spans import RUN_SPAN, broken_stage_span, open_stage_span, run_span, stage_span
from .runtime import (
    Actor,
    ActorCrashed,
    ActorRef,
    ChildFailed,
    Directive,
    RestartIntensity,
    SupervisionPolicy,
    handler,
)
from .stage import Tally, Wiring
from .trace import CloseTrace, TraceActor

__all__ = ["DISABLED", "ExperimentSupervisor", "RunPlan", "StagePlan"]

FailureKind = Literal["input", "output", "stage", "bug"]
DISABLED = "enabled = false"
MAX_RESTARTS = 3
GRACE_S = 0.5
MAILBOX = 8
"""Batches that may wait before a stage: enough to overlap work, little enough to keep memory flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage to spawn. ``build`` is called again for each incarnation with the same tally."""

    name: str
    build: Callable[[Wiring, Tally], Actor]
    restartable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything that a run needs; put together by the engine."""

    run_id: str
    experiment: Experiment
    stages: tuple[StagePlan, ...]
    skipped: tuple[str, ...] = ()
    done: tuple[StageResult, ...] = ()
    """Results of stages that an earlier attempt has finished and that do not run again."""
    exporters: tuple[SpanExporter, ...] = ()
    started_at: str = ""
    provenance: Provenance | None = None
    base: str = ""
    publish: Callable[[RunEvent], None] = lambda _event: None
    """Gets every event; must not block."""
    close: Callable[[], None] = lambda: None
    """Closes files and data sets when the run is over, however it ended. Blocking."""
    artifacts: Callable[[], list[Artifact]] = list
    """The files that the run left behind, once everything is closed. Blocking."""
    save: Callable[[RunResult], None] = lambda _result: None
    """Stores the result of the run. Blocking."""
    now: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Running:
    ref: ActorRef
    plan: StagePlan
    tally: Tally
    span: int
    restarts: int = 0
    done: bool = False


@dataclass(slots=True)
class _Outcome:
    results: list[StageResult] = field(default_factory=list)
    failed_stage: str | None = None
    failure_kind: FailureKind | None = None
    reason: str | None = None
    cancelled: bool = False


class ExperimentSupervisor(Actor):
    """Runs one plan from ``Start`` to ``RunCompleted``."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._began = plan.now()
        self._stages: dict[str, _Running] = {}
        skipped = [StageResult(stage=name, status="skipped", reason=DISABLED) for name in plan.skipped]
        self._outcome = _Outcome(results=[*skipped, *plan.done])
        self._trace: ActorRef | None = None
        self._ending = False
        self._finished = False
        self.errors: list[BaseException] = []

    @handler
    def on_begin(self, _message: Start) -> None:
        """Spawn the stages from the last to the first, then let the first one begin."""
        plan = self._plan
        self._began = plan.now()
        names = (*(done.stage for done in plan.done), *(stage.name for stage in plan.stages))
        plan.publish(RunStarted(run_id=plan.run_id, experiment_id=plan.experiment.id, stages=names))
        for done in plan.done:
            plan.publish(StageCompleted(result=done))
        if plan.exporters:
            self._trace = self.context.spawn(
                lambda: TraceActor(plan.exporters), name="trace", mailbox_capacity=1024
            )
            self._trace.tell_nowait(self._run_span("open"))
        first = RUN_SPAN + 1
        ids = itertools.count(first + len(plan.stages))
        downstream: ActorRef | None = None
        for number, stage in reversed(list(enumerate(plan.stages, start=first))):
            wiring = Wiring(
                stage=stage.name,
                supervisor=self.ref,
                downstream=downstream,
                trace=self._trace,
                span=number,
                began=self._began,
                ids=ids,
                now=plan.now,
            )
            downstream = self._spawn(stage, wiring, number)
        self._stages[plan.stages[0].name].ref.tell_nowait(Start())

    def _spawn(self, stage: StagePlan, wiring: Wiring, span: int) -> ActorRef:
        tally = Tally()
        ref = self.context.spawn(
            lambda: stage.build(wiring, tally),
            name=stage.name,
            mailbox_capacity=MAILBOX,
            redeliver=stage.restartable,
            policy=SupervisionPolicy(intensity=RestartIntensity(max_restarts=1_000_000)),
        )
        self._stages[stage.name] = _Running(ref, stage, tally, span)
        return ref

    def on_child_failure(self, failure: ChildFailed) -> Directive:
        """Restart a stage that has a bug and can take the batch again; stop it otherwise."""
        running = self._stages.get(failure.child.name)
        if running is None or self._ending:
            return "stop"
        bug = not isinstance(failure.reason, CrucibleError)
        if bug and running.plan.restartable and running.restarts < MAX_RESTARTS:
            running.restarts += 1
            return "restart"
        return "stop"

    @handler
    async def on_failed(self, message: ChildFailed) -> None:
        """End the run when a stage is beyond help."""
        name = message.child.name
        if message.directive == "restart" or self._ending:
            self.errors.append(message.reason)
            return
        self._fail(name, message.reason)
        self._plan.publish(StageFailed(stage=name, reason=self._outcome.reason or ""))
        await self._end()

    @handler
    async def on_stage_started(self, message: StageStarted) -> None:
        """Pass it on, and put the stage into the trace, where its parts will look for it."""
        self._plan.publish(message)
        if self._trace is not None and message.stage in self._stages:
            running = self._stages[message.stage]
            await self._trace.tell(open_stage_span(running.plan.name, running.tally, running.span))

    @handler
    def on_progress(self, message: Progress) -> None:
        """Pass it on."""
        self._plan.publish(message)

    @handler
    async def on_stage_completed(self, message: StageCompleted) -> None:
        """Note a result; after the last stage the run is over."""
        if self._ending:
            return
        self._stages[message.result.stage].done = True
        self._outcome.results.append(message.result)
        self._plan.publish(message)
        if message.result.status == "failed":  # it did what it could, and so do those after it
            self._fail(message.result.stage, StageError(message.result.stage, message.result.reason or ""))
        if all(stage.done for stage in self._stages.values()):
            await self._end()

    @handler
    async def on_cancel(self, message: Cancel) -> None:
        """End the run as asked."""
        if not self._ending:
            self._outcome.cancelled = True
            self._outcome.reason = message.reason
            await self._end()

    async def _end(self) -> None:
        self._ending = True
        await asyncio.gather(*(running.ref.stop(grace=GRACE_S) for running in self._stages.values()))
        await self._close()
        await self._finish()
        self.context.stop_self()

    async def _finish(self) -> None:
        result = self._result(())
        try:
            result = self._result(await asyncio.to_thread(self._plan.artifacts))
            await asyncio.to_thread(self._plan.save, result)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for the run must hear of it
            self._fail("results", error)
            result = self._result(result.artifacts)
        finally:
            self._finished = True
            self._plan.publish(RunCompleted(result=result))

    def _fail(self, where: str, error: BaseException) -> None:
        """Note why the run failed, unless it has ended otherwise already."""
        if isinstance(error, ActorCrashed) and error.__cause__ is not None:
            error = error.__cause__
        self.errors.append(error)
        outcome = self._outcome
        if outcome.failed_stage is None and not outcome.cancelled:
            outcome.failed_stage, outcome.reason = where, reason_of(error, where)
            outcome.failure_kind = kind_of(error)

    async def on_stop(self) -> None:
        """Whatever ends this actor, the run has a result."""
        if not self._finished:
            self._ending = True
            self._outcome.cancelled = True
            self._outcome.reason = "the supervisor of the run was stopped"
            await self._close()
            await self._finish()

    async def _close(self) -> None:
        for close in (self._close_files, self._close_trace):
            try:
                await close()
            except Exception as error:  # noqa: BLE001 - the run has a result even if its files cannot be closed
                self._fail("results", error)

    async def _close_files(self) -> None:
        await asyncio.to_thread(self._plan.close)

    async def _close_trace(self) -> None:
        if self._trace is None:
            return
        try:
            for span in self._stage_spans():
                await self._trace.tell(span)
            await self._trace.ask(CloseTrace(), timeout=60.0)
        finally:  # the trace actor may have crashed
            for exporter in self._plan.exporters:
                await asyncio.to_thread(exporter.close)

    def _stage_spans(self) -> list[Span]:
        """Of the stages, finished or not, and of the run."""
        outcome, end = self._outcome, self._plan.now() - self._began
        results = {result.stage: result for result in outcome.results}
        spans = []
        for name, running in self._stages.items():
            if name in results:
                spans.append(stage_span(results[name], running.span))
            elif name == outcome.failed_stage:
                spans.append(
                    broken_stage_span(name, running.tally, running.span, end, "error", outcome.reason)
                )
            elif running.tally.started_s is not None:
                spans.append(broken_stage_span(name, running.tally, running.span, end, "cancelled"))
        failed: SpanStatus = "error" if outcome.failed_stage is not None else "cancelled"
        return [*spans, self._run_span("ok" if outcome.reason is None else failed)]

    def _run_span(self, status: SpanStatus) -> Span:
        plan = self._plan
        end = 0.0 if status == "open" else plan.now() - self._began
        return run_span(plan.experiment.id, plan.run_id, plan.started_at, status, end, self._outcome.reason)

    def _result(self, artifacts: Sequence[Artifact]) -> RunResult:
        outcome, plan = self._outcome, self._plan
        failure = None
        if outcome.failed_stage is not None:
            failure = f"{outcome.failed_stage}: {outcome.reason}"
        elif outcome.cancelled:
            failure = outcome.reason
        order = {definition.name: i for i, definition in enumerate(plan.experiment.pipeline)}
        results = sorted(outcome.results, key=lambda result: order.get(result.stage, len(order)))
        return RunResult(
            run_id=plan.run_id,
            status="failed" if outcome.failed_stage else "cancelled" if outcome.cancelled else "completed",
            experiment=plan.experiment,
            stages=tuple(results),
            artifacts=tuple(artifacts),
            started_at=plan.started_at,
            seconds=plan.now() - self._began,
            failure=failure,
            stopped=next((f"{result.stage}: {result.stopped}" for result in results if result.stopped), None),
            failure_kind=outcome.failure_kind,
            provenance=plan.provenance,
            base=plan.base,
        )


def kind_of(error: BaseException) -> FailureKind:
    """Bad input, nowhere to write, a stage that gave up on purpose, or a bug."""
    if isinstance(error, OutputError):
        return "output"
    if isinstance(error, InputError):
        return "input"
    return "stage" if isinstance(error, CrucibleError) else "bug"


def reason_of(error: BaseException, stage: str) -> str:
    """One line that does not repeat the name of the stage."""
    if isinstance(error, StageError) and error.stage == stage:
        return error.reason
    return describe(error)


def describe(error: BaseException) -> str:
    """One line: ours as they are, bugs with their type and place."""
    if isinstance(error, CrucibleError):
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    place = ""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is not None:
        place = f" ({frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
