"""The actors of a pipeline: a source and the steps after it, joined by bounded mailboxes.

A stage's thinking is its ``Work`` (one file each under ``stages/``); the actor around it takes batches, hands
on what remains, counts, and tells the run's supervisor and the trace. Work and tally outlive a restart of
the actor: after a crash the batch in hand is delivered again, and nothing that was counted is lost. This is
sound because a work changes its state only after everything that can fail in a batch has succeeded; one that
cannot promise that says ``restartable = False``.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import msgspec

from ..messages.control import Progress, StageCompleted, StageStarted, Start
from ..messages.flow import Batch, EndOfStream, Sample, StageResult
from ..messages.trace import Decision, Span, SpanKind, SpanStatus
from .runtime import Actor, ActorRef, ActorStopped, MailboxFull, handler

__all__ = ["Releasing", "SourceActor", "SourceWork", "StageActor", "StageBase", "Tally", "Wiring", "Work"]

PROGRESS_EVERY_S = 0.1


class Work(Protocol):
    """The thinking part of a stage.

    One that also has a method ``take_decisions() -> tuple[Decision, ...]`` is asked for what it decided in
    each batch, for the trace; it forgets what it has told. One that has ``note() -> str`` is asked after each
    batch for a short live figure.
    """

    restartable: bool

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """What goes on to the next stage."""
        ...

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        """What the stage has to say after the last batch; ``upstream`` are the results of those before."""
        ...


@runtime_checkable
class Releasing(Protocol):
    """A work that held much for ``finish``: by the time the report draws its plots that should be gone."""

    def release(self) -> None:
        """Drop it; called once the result has been handed on. Nothing else is called after it."""
        ...


class SourceWork(Protocol):
    """The thinking part of the first stage."""

    @property
    def total(self) -> int:
        """Samples that will be sent."""
        ...

    def batches(self) -> AsyncIterator[tuple[Sample, ...]]:
        """The batches, in order."""
        ...

    async def finish(self) -> StageResult:
        """What the stage has to say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Whom a stage speaks to."""

    stage: str
    supervisor: ActorRef
    downstream: ActorRef | None = None
    trace: ActorRef | None = None
    span: int | None = None
    """The span of the stage: the parent of all others of the stage that name none."""
    began: float = 0.0
    """Monotonic time at which the run began."""
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    now: Callable[[], float] = time.monotonic

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.now() - self.began


@dataclass(slots=True)
class Tally:
    """What a stage counted so far; outlives its actor."""

    received: int = 0
    emitted: int = 0
    batches: int = 0
    busy_s: float = 0.0
    started_s: float | None = None
    reported_s: float = 0.0
    upstream: list[StageResult] = field(default_factory=list)


class StageBase(Actor):
    """What all stages share: sending on, counting, reporting."""

    def __init__(self, wiring: Wiring, tally: Tally) -> None:
        self._wiring = wiring
        self._tally = tally

    @handler
    async def on_result(self, message: StageResult) -> None:
        """Pass on what a stage before this one found."""
        self._tally.upstream.append(message)
        if self._wiring.downstream is not None:
            await self._wiring.downstream.tell(message)

    async def begin(self) -> None:
        """Note the first sign of work."""
        if self._tally.started_s is None:
            self._tally.started_s = self._wiring.elapsed()
            await self._wiring.supervisor.tell(StageStarted(stage=self._wiring.stage))

    async def emit(self, samples: Sequence[Sample]) -> None:
        """Send samples on; waits while the next stage is full."""
        if samples and self._wiring.downstream is not None:
            await self._wiring.downstream.tell(Batch(index=self._tally.batches, samples=tuple(samples)))
            self._tally.batches += 1
            self._tally.emitted += len(samples)

    async def progress(self, done: int, total: int | None = None, note: str = "", *, phase: str = "") -> None:
        """Tell how far the stage is, at most ten times a second."""
        now = self._wiring.elapsed()
        if now - self._tally.reported_s >= PROGRESS_EVERY_S or done == total:
            self._tally.reported_s = now
            message = Progress(stage=self._wiring.stage, done=done, total=total, note=note, phase=phase)
            await self._wiring.supervisor.tell(message)

    async def span(
        self,
        name: str,
        kind: SpanKind,
        start_s: float,
        *,
        number: int | None = None,
        parent: int | None = None,
        lane: str | None = None,
        status: SpanStatus = "ok",
        attributes: Mapping[str, Any] | None = None,
        decisions: Sequence[Decision] = (),
        **more: Any,
    ) -> None:
        """Record work that began at ``start_s`` and ends now; ``number`` if its parts already name it."""
        wiring = self._wiring
        if wiring.trace is not None:
            await wiring.trace.tell(
                Span(
                    id=next(wiring.ids) if number is None else number,
                    parent_id=wiring.span if parent is None else parent,
                    name=name,
                    kind=kind,
                    start_s=start_s,
                    end_s=wiring.elapsed(),
                    lane=lane or wiring.stage,
                    status=status,
                    attributes={**attributes, **more} if attributes else more,
                    decisions=tuple(decisions),
                )
            )

    def broken_span(
        self,
        name: str,
        kind: SpanKind,
        start_s: float,
        error: BaseException,
        *,
        number: int | None = None,
        parent: int | None = None,
        lane: str | None = None,
        **more: Any,
    ) -> None:
        """Record work that ends with an exception. Does not wait, because what is cancelled must not.

        A stage that is stopped stops its actors first: whoever waits for one of them is cancelled too.
        """
        wiring = self._wiring
        if wiring.trace is None:
            return
        cancelled = isinstance(error, asyncio.CancelledError | ActorStopped)
        if not cancelled:
            more = {**more, "error": " ".join(str(error).split()), "error.type": type(error).__name__}
        self.span_at_once(
            Span(
                id=next(wiring.ids) if number is None else number,
                parent_id=wiring.span if parent is None else parent,
                name=name,
                kind=kind,
                start_s=start_s,
                end_s=wiring.elapsed(),
                lane=lane or wiring.stage,
                status="cancelled" if cancelled else "error",
                attributes=more,
            )
        )

    def span_at_once(self, span: Span) -> None:
        """Record a span without waiting; it follows later when the trace has no room now."""
        trace = self._wiring.trace
        if trace is None:
            return
        try:
            trace.tell_nowait(span)
        except MailboxFull:
            self.context.create_task(_tell(trace, span), name="span")

    async def before_result(self, result: StageResult) -> None:
        """Called once the result stands, before anybody hears of it."""

    async def complete(self, result: StageResult) -> None:
        """Close the stage: result to the supervisor and down the pipeline, then the end of the stream."""
        tally, wiring = self._tally, self._wiring
        started = tally.started_s or 0.0
        result = msgspec.structs.replace(
            result,
            received=tally.received,
            emitted=tally.emitted,
            started_s=started,
            seconds=wiring.elapsed() - started,
            busy_seconds=tally.busy_s,
        )
        await self.before_result(result)
        if wiring.downstream is not None:
            await wiring.downstream.tell(result)
            await wiring.downstream.tell(EndOfStream(batches=tally.batches, samples=tally.emitted))
        await wiring.supervisor.tell(StageCompleted(result=result))


async def _tell(trace: ActorRef, span: Span) -> None:
    await trace.tell(span)


class StageActor(StageBase):
    """A step of the pipeline."""

    def __init__(self, wiring: Wiring, work: Work, tally: Tally) -> None:
        super().__init__(wiring, tally)
        self._work = work
        self._decisions: Callable[[], tuple[Decision, ...]] | None = getattr(work, "take_decisions", None)
        self._note: Callable[[], str] = getattr(work, "note", str)

    @handler
    async def on_batch(self, message: Batch) -> None:
        """Work on a batch and send on what remains."""
        await self.begin()
        started = self._wiring.elapsed()
        told: dict[str, Any] = {"rows": len(message.samples), "batch": message.index}
        try:
            samples = await self._work.process(message.samples)
        except BaseException as error:
            self.broken_span(self._wiring.stage, "batch", started, error, **told)
            raise
        self._tally.busy_s += self._wiring.elapsed() - started
        self._tally.received += len(message.samples)
        decisions = () if self._decisions is None else self._decisions()
        await self.span(
            self._wiring.stage, "batch", started, decisions=decisions, kept=len(samples), attributes=told
        )
        await self.emit(samples)
        await self.progress(self._tally.received, note=self._note())

    @handler
    async def on_end(self, message: EndOfStream) -> None:
        """Finish."""
        await self.begin()
        await self.progress(self._tally.received, message.samples, self._note())
        started = self._wiring.elapsed()
        result = await self._work.finish(self._tally.upstream)
        self._tally.busy_s += self._wiring.elapsed() - started
        await self.span(f"{self._wiring.stage} finish", "batch", started)
        await self.complete(result)
        if isinstance(self._work, Releasing):
            self._work.release()


class SourceActor(StageBase):
    """The first stage: sends batches as fast as the next one takes them."""

    def __init__(self, wiring: Wiring, work: SourceWork, tally: Tally) -> None:
        super().__init__(wiring, tally)
        self._work = work

    @handler
    async def on_begin(self, _message: Start) -> None:
        """Begin to read, in a task of its own so that the actor stays answerable."""
        await self.begin()
        self.context.create_task(self._pump(), name="pump")

    async def _pump(self) -> None:
        started = self._wiring.elapsed()
        async for samples in self._work.batches():
            self._tally.busy_s += self._wiring.elapsed() - started
            self._tally.received += len(samples)
            told = {"rows": len(samples), "batch": self._tally.batches}
            await self.span(self._wiring.stage, "batch", started, attributes=told)
            await self.emit(samples)
            await self.progress(self._tally.emitted, self._work.total)
            started = self._wiring.elapsed()
        await self.complete(await self._work.finish())
