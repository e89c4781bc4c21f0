"""The composition root: an experiment goes in, a supervised run comes out.

``run`` is for scripts; ``Supervisor`` lives inside an async program and runs any number of experiments at
once, with no state shared between supervisors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from .actors.experiment import ExperimentSupervisor, RunPlan
from .actors.runtime import ActorRef, ActorSystem
from .actors.store import Store
from .composition import Prepared, prepare
from .embedded_queue import EmbeddedQueue, new_run
from .messages.control import Cancel, Progress, RunCompleted, RunEvent, RunResult, Start
from .messages.errors import CrucibleError, InputError, RunCancelledError, StageError
from .messages.experiment import Experiment
from .messages.queue import TERMINAL, NewRun, QueuedRun
from .messages.settings import DaemonSettings
from .messages.type_tables import build_messages
from .planning import make_plan, open_dataset

__all__ = ["RunHandle", "Supervisor", "run"]

# A library must not print: without this, Python writes what nobody listens to on stderr.
logging.getLogger(__package__).addHandler(logging.NullHandler())

EVENTS_KEPT = 1024


class RunHandle:
    """A run under way: its events, its result, its end."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self.folder = folder
        self._events: deque[RunEvent] = deque()
        self._news = asyncio.Event()
        self._result: asyncio.Future[RunResult] = asyncio.get_running_loop().create_future()
        self._ref: ActorRef | None = None
        self._queue: EmbeddedQueue | None = None
        self.dropped_events = 0
        self.resumed = False
        """Whether it was there before it was submitted: by its key, or as an unfinished one."""

    def attach(self, by: ActorRef | EmbeddedQueue) -> None:
        """Say what runs it. For the supervisor."""
        if isinstance(by, ActorRef):
            self._ref = by
        else:
            self._queue = by

    def abandon(self, error: CrucibleError) -> None:
        """There will be no result here; whoever waits for one gets the error. For the supervisor."""
        if not self._result.done():
            self._result.set_exception(error)
            self._result.exception()  # nobody need wait for it
            self._news.set()

    def publish(self, event: RunEvent) -> None:
        """Take an event in. Of more than 1,024 unread ones the progress events are dropped, and counted."""
        if isinstance(event, RunCompleted) and not self._result.done():
            self._result.set_result(event.result)
        if len(self._events) >= EVENTS_KEPT and isinstance(event, Progress):
            self.dropped_events += 1
            return
        self._events.append(event)
        self._news.set()

    async def events(self) -> AsyncIterator[RunEvent]:
        """Events from the first on, until ``RunCompleted``. For one reader."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, RunCompleted):
                    return
            if self._result.done() and not self._events:
                return
            self._news.clear()
            await self._news.wait()

    async def result(self) -> RunResult:
        """Wait for the end. A failed or cancelled run is a result too: look at ``status``.

        A durable run that ends without one, or is handed back, raises a CrucibleError that says so.
        """
        return await asyncio.shield(self._result)

    async def cancel(self, reason: str = "cancelled") -> RunResult:
        """End the run; what finished stages wrote is kept."""
        if self._ref is not None and not self._result.done():
            await self._ref.tell(Cancel(reason=reason))
        if self._queue is not None and not self._result.done():
            run = await self._queue.cancel(self.run_id, reason)
            if run.state in TERMINAL:  # it had not begun
                self.abandon(RunCancelledError(reason))
        return await self.result()


class Supervisor:
    """Runs experiments inside an async program.

        async with crucible.Supervisor() as supervisor:
            run = await supervisor.submit(experiment)
            async for event in run.events(): ...
            result = await run.result()

    Leaving the block cancels what still runs. With a ``store`` runs are durable: a submission is on disk when
    ``submit`` returns. Leaving the block, or a crash, hands back what is under way; the next supervisor or
    daemon on the same store and folder goes on with it.
    """

    def __init__(
        self,
        *,
        out: str | os.PathLike[str] = "runs",
        cache: bool = True,
        store: Store | None = None,
        settings: DaemonSettings | None = None,
        own_only: bool = False,
    ) -> None:
        """``cache`` false: no run looks into its cache or keeps anything there.

        ``store``: opened and closed by the caller; ``settings`` say how its queue is worked through.
        ``own_only``: of the queue only what is submitted here; what others have put into it waits for them.
        """
        self._store = store
        self._own_only = own_only
        self._settings = settings or DaemonSettings()
        self._queue: EmbeddedQueue | None = None
        self._durable: dict[str, RunHandle] = {}
        self._out = Path(out)
        self._cache = cache
        self._system = ActorSystem("crucible")
        self._runs: list[RunHandle] = []

    async def __aenter__(self) -> Self:
        build_messages()  # before there are threads
        await self._system.__aenter__()
        if self._store is not None:
            self._queue = EmbeddedQueue(
                self._system,
                self._store,
                self._out,
                self._settings,
                use_cache=self._cache,
                own_only=self._own_only,
                new_id=new_run_id,
                on_event=self._heard,
                on_settled=self._settled,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hand_back("the supervisor was closed")
        for handle in self._runs:
            with contextlib.suppress(BaseException):
                await handle.cancel("the supervisor was closed")
        await self._system.__aexit__(kind, error, trace)

    async def hand_back(self, reason: str) -> None:
        """Put all durable runs that are under way back into the queue, and begin no more.

        A training saves what it has first. Whoever waits for a result gets RunCancelledError.
        """
        if self._queue is not None:
            await self._queue.stop(reason)
            for handle in self._durable.values():
                handle.abandon(RunCancelledError(f"{reason}: the run is back in the queue"))

    def tree(self) -> str:
        """The live actors, printable."""
        return self._system.tree()

    async def submit(
        self,
        experiment: Experiment,
        *,
        run_id: str | None = None,
        base: str | os.PathLike[str] | None = None,
        source: str | None = None,
        key: str | None = None,
        resume: bool = False,
        max_attempts: int = 3,
    ) -> RunHandle:
        """Check everything, then start a run, or queue it if there is a store. InputError comes before that.

        ``base`` is the folder that relative data paths count from; ``source`` names the experiment file in
        error messages. With a store: the same ``key`` and experiment give the same run; ``resume`` goes on
        with a run of the same experiment that was submitted so and has neither completed nor been cancelled;
        ``max_attempts`` says how often a run is tried before it has failed.
        """
        if self._queue is None and (key is not None or resume):
            raise InputError(f"submit: {'a key' if key is not None else 'resume'} needs a store")
        if key is not None and resume:
            raise InputError("submit: expected a key or resume, got both")
        prepared = prepare(experiment, base=Path(base) if base else None, source=source)
        prepared.use_cache = self._cache
        run_id = run_id or new_run_id(experiment.id)
        if self._queue is not None:
            if resume:  # whoever runs it again wants to know of bad data now, not by a run that failed
                await asyncio.to_thread(lambda: open_dataset(prepared).close())
            new = new_run(experiment, run_id, base=prepared.base, key=key, max_attempts=max_attempts)
            return await self._enqueue(self._queue, new, resume=resume)
        handle = RunHandle(run_id, self._out / run_id)
        plan = await _planned(prepared, handle)
        ref = self._system.spawn(
            lambda: ExperimentSupervisor(plan), name=run_id, mailbox_capacity=4096, restart="temporary"
        )
        handle.attach(ref)
        self._runs = [other for other in self._runs if not other._result.done()]
        self._runs.append(handle)
        await ref.tell(Start())
        return handle

    async def _enqueue(self, queue: EmbeddedQueue, new: NewRun, *, resume: bool) -> RunHandle:
        handle = self._durable[new.id] = RunHandle(new.id, self._out / new.id)
        handle.attach(queue)
        run = await queue.submit(new, resume=resume)
        if run.id == new.id:
            return handle
        del self._durable[new.id]  # the key has a run already, or there is one to go on with
        handle = self._durable.setdefault(run.id, RunHandle(run.id, self._out / run.id))
        handle.attach(queue)
        handle.resumed = True
        if run.state in TERMINAL:
            self._settled(run, await queue.result(run.id))
        return handle

    def _heard(self, run_id: str, event: RunEvent) -> None:
        """Of a durable run. The end of an attempt need not be the end of the run: that is what is settled."""
        handle = self._durable.get(run_id)
        if handle is not None and not isinstance(event, RunCompleted):
            handle.publish(event)

    def _settled(self, run: QueuedRun, result: RunResult | None) -> None:
        handle = self._durable.get(run.id)
        if handle is None or run.state not in TERMINAL:
            return
        del self._durable[run.id]
        if result is None:
            handle.abandon(CrucibleError(f"run {run.id}: {run.state}: {run.reason or 'no result'}"))
        else:
            handle.publish(RunCompleted(result=result))


def run(
    experiment: Experiment,
    *,
    out: str | os.PathLike[str] = "runs",
    base: str | os.PathLike[str] | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    check: bool = True,
) -> RunResult:
    """Run an experiment and wait for its result.

    Raises InputError for input that cannot be used. Input that a stage refuses raises InputError too, and a
    stage that fails StageError, unless ``check`` is false; then the result says so. Inside a running event
    loop use ``Supervisor``.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_run(experiment, out=out, base=base, on_event=on_event, check=check))
    raise InputError(
        "crucible.run: an event loop runs here, as in a notebook or an async program: "
        "use async with crucible.Supervisor() as supervisor"
    )


async def _run(
    experiment: Experiment,
    *,
    out: str | os.PathLike[str],
    base: str | os.PathLike[str] | None,
    on_event: Callable[[RunEvent], None] | None,
    check: bool,
) -> RunResult:
    async with Supervisor(out=out) as supervisor:
        handle = await supervisor.submit(experiment, base=base)
        async for event in handle.events():
            if on_event is not None:
                on_event(event)
        result = await handle.result()
    if check:
        raise_unless_completed(result)
    return result


def raise_unless_completed(result: RunResult) -> None:
    """Raise InputError, StageError or RunCancelledError, as the run ended."""
    failure = result.failure or ""
    if result.status == "cancelled":
        raise RunCancelledError(failure)
    if result.status == "failed":
        stage, _, reason = failure.partition(": ")
        raise InputError(failure) if result.failure_kind in ("input", "output") else StageError(stage, reason)


def new_run_id(experiment_id: str) -> str:
    """``<experiment>-<UTC date>-<time>-<4 hex digits>``."""
    return f"{experiment_id}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


async def _planned(prepared: Prepared, handle: RunHandle) -> RunPlan:
    """``make_plan`` in a thread. One that is cancelled leaves neither an open file nor a folder behind."""
    planning = asyncio.ensure_future(
        asyncio.to_thread(make_plan, prepared, handle.run_id, handle.folder, handle.publish)
    )

    def discard(planned: asyncio.Future[RunPlan]) -> None:
        if not planned.cancelled() and planned.exception() is None:
            plan = planned.result()
            for close in (plan.close, *(exporter.close for exporter in plan.exporters)):
                close()
            shutil.rmtree(handle.folder, ignore_errors=True)

    try:
        return await asyncio.shield(planning)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            handle.folder.rmdir()
        planning.add_done_callback(discard)
        raise
