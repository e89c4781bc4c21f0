"""What a daemon does now, kept in memory to be looked at: implements ``actors.live.Live``.

Written by the daemon's actors through ``publish``, read by the API and its page. Never waits for a reader:
one whose queue is full loses progress first, and is ended when an event that counts finds no room.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from ...messages.control import Progress, RunEvent, RunStarted, StageCompleted, StageFailed, StageStarted
from ...messages.live import ActorView, LiveEvent, LiveRun, LiveStage
from ..runtime import ActorSnapshot, ActorSystem

__all__ = ["LiveFeed"]

SUBSCRIBER_EVENTS = 1024
PROGRESS_ROOM = 3 * SUBSCRIBER_EVENTS // 4
"""Progress is dropped from here on; the rest of the queue is for events that count."""
RATE_S = 5.0


class _Stage:
    """What is known of a stage, and how fast it has been of late."""

    def __init__(self, name: str) -> None:
        self.view = LiveStage(name=name)
        self._seen: deque[tuple[float, int]] = deque()

    def change(self, **fields: Any) -> None:
        self.view = msgspec.structs.replace(self.view, **fields)

    def progress(self, event: Progress, now: float) -> None:
        if event.phase != self.view.phase or event.done < self.view.done:
            self._seen.clear()
        self._seen.append((now, event.done))
        while len(self._seen) > 2 and self._seen[0][0] < now - RATE_S:
            self._seen.popleft()
        (since, first), (last, done) = self._seen[0], self._seen[-1]
        rate = (done - first) / (last - since) if last > since else None
        self.change(
            state="running",
            done=event.done,
            total=event.total,
            phase=event.phase,
            note=event.note,
            rate=rate,
        )


class _Run:
    """A run under way."""

    def __init__(self, run_id: str, experiment_id: str, since: float) -> None:
        self.run_id, self.experiment_id, self.since = run_id, experiment_id, since
        self.stages: dict[str, _Stage] = {}

    def stage(self, name: str) -> _Stage:
        return self.stages.setdefault(name, _Stage(name))


class _Subscriber:
    """A bounded queue and whether its reader has fallen behind."""

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id
        self._events: deque[LiveEvent] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def offer(self, event: LiveEvent) -> None:
        if self._ended or self.run_id not in (None, event.run_id):
            return
        if len(self._events) >= (PROGRESS_ROOM if event.kind == "progress" else SUBSCRIBER_EVENTS):
            if event.kind == "progress":
                return
            self._ended = True
        else:
            self._events.append(event)
        self._news.set()

    async def events(self) -> AsyncIterator[LiveEvent]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()


class LiveFeed:
    """Of one daemon."""

    def __init__(
        self,
        system: ActorSystem,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system, self._now, self._monotonic = system, now, monotonic
        self._runs: dict[str, _Run] = {}
        self._subscribers: set[_Subscriber] = set()
        self.on_wake: Callable[[], None] = lambda: None
        self.facts: dict[str, Any] = {}
        """What ``status`` says; the daemon and the composition write it."""

    # For the daemon

    def begin(self, run_id: str, experiment_id: str) -> None:
        """A run is under way."""
        self._runs[run_id] = _Run(run_id, experiment_id, self._now())

    def end(self, run_id: str, kind: str, body: Mapping[str, Any]) -> None:
        """It is no more; ``kind`` says what became of it, as the store's events do."""
        self._runs.pop(run_id, None)
        self._tell(run_id, kind, body)

    def publish(self, run_id: str, event: RunEvent) -> None:
        """Take an event of a run in."""
        run = self._runs.get(run_id)
        if run is None:
            return
        match event:
            case RunStarted(stages=stages):
                run.stages = {name: _Stage(name) for name in stages}
                self._tell(run_id, "run.running", {"stages": list(stages)})
            case StageStarted(stage=stage):
                run.stage(stage).change(state="running")
                self._tell(run_id, "stage.started", {"stage": stage})
            case Progress():
                run.stage(event.stage).progress(event, self._monotonic())
                self._tell(run_id, "progress", msgspec.to_builtins(run.stage(event.stage).view))
            case StageCompleted(result=result):
                run.stage(result.stage).change(state=result.status, rate=None)
                self._tell(run_id, "stage.completed", {"stage": result.stage, "status": result.status})
            case StageFailed(stage=stage, reason=reason):
                run.stage(stage).change(state="failed", note=reason, rate=None)
                self._tell(run_id, "stage.failed", {"stage": stage, "reason": reason})

    def _tell(self, run_id: str, kind: str, body: Mapping[str, Any]) -> None:
        event = LiveEvent(run_id=run_id, kind=kind, at=self._now(), body=dict(body))
        for subscriber in self._subscribers:
            subscriber.offer(event)

    # Live

    def runs(self) -> Mapping[str, LiveRun]:
        """See ``Live``."""
        if not self._runs:
            return {}
        stages: dict[str, dict[str, ActorSnapshot]] = {}
        _find_stages(self._system.snapshot(), stages)
        return {run_id: _view(run, stages.get(run_id, {})) for run_id, run in self._runs.items()}

    def actors(self) -> ActorView:
        """See ``Live``."""
        return _actor_view(self._system.snapshot())

    def subscribe(self, run_id: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[LiveEvent]]:
        """See ``Live``."""
        return self._subscribe(run_id)

    @contextlib.asynccontextmanager
    async def _subscribe(self, run_id: str | None) -> AsyncIterator[AsyncIterator[LiveEvent]]:
        subscriber = _Subscriber(run_id)
        self._subscribers.add(subscriber)
        try:
            yield subscriber.events()
        finally:
            self._subscribers.discard(subscriber)

    def wake(self) -> None:
        """See ``Live``."""
        self.on_wake()

    def status(self) -> dict[str, Any]:
        """See ``Live``."""
        return {**self.facts, "running": len(self._runs)}


def _find_stages(actor: ActorSnapshot, found: dict[str, dict[str, ActorSnapshot]]) -> None:
    """The stage actors of each run: the children of the actor ``experiment`` below the run's own."""
    for child in actor.children:
        if child.name == "experiment":
            run_id = actor.name.rpartition(":")[0]
            found[run_id] = {stage.name: stage for stage in child.children}
        else:
            _find_stages(child, found)


def _view(run: _Run, actors: Mapping[str, ActorSnapshot]) -> LiveRun:
    stages = []
    for name, stage in run.stages.items():
        actor, view = actors.get(name), stage.view
        if actor is not None:
            view = msgspec.structs.replace(
                view,
                mailbox=actor.statistics.mailbox_depth,
                mailbox_capacity=actor.mailbox_capacity,
                restarts=actor.statistics.restarts,
            )
        stages.append(view)
    return LiveRun(run_id=run.run_id, experiment_id=run.experiment_id, since=run.since, stages=tuple(stages))


def _actor_view(actor: ActorSnapshot) -> ActorView:
    numbers = actor.statistics
    return ActorView(
        name=actor.name,
        kind=actor.kind,
        state=actor.state,
        mailbox=numbers.mailbox_depth,
        mailbox_capacity=actor.mailbox_capacity,
        high_water=numbers.mailbox_high_water,
        handled=numbers.handled,
        failed=numbers.failed,
        restarts=numbers.restarts,
        children=tuple(_actor_view(child) for child in actor.children),
    )
