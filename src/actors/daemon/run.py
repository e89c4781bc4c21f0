"""The actor of one leased run: plans it, lets the experiment's supervisor run it, records, settles.

A child of the daemon. It follows one order at a time (stop, pause, deadline, cancel; a later one only if it
outranks the one before) and gives the run up without a word to the store when the lease is lost. It decides
nothing itself: see ``decisions``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from ...messages.control import Cancel, Progress, RunCompleted, RunEvent, RunResult, Start
from ...messages.errors import InputError, LeaseLostError, OutputError
from ...messages.queue import Lease, QueuedRun, Settlement
from ...messages.settings import DaemonSettings
from ..durability import SafePoint
from ..experiment import ExperimentSupervisor, RunPlan, describe
from ..runtime import Actor, ActorRef, ChildFailed, handler
from ..store import Store
from .decisions import Order, deadline_left, outranks, refused, settlement, unplanned
from .hold import Hold
from .jobs import PlannedRun, RunFactory, RunJob
from .record import Record

__all__ = ["RunActor", "RunEnded", "RunParts"]

EVENTS = 4096
"""Events that may wait to be recorded, progress aside. A run has a few for each stage."""
REST_S = 60.0
"""How long a training may take to reach its next safe point."""

_log = logging.getLogger(__name__)


class RunEnded:
    """A run's actor has ended; told to the daemon. ``settled`` is None when the lease was lost."""

    def __init__(self, lease: Lease, settled: QueuedRun | None, result: RunResult | None) -> None:
        self.lease, self.settled, self.result = lease, settled, result


class RunParts:
    """What all runs of a daemon share."""

    def __init__(
        self,
        store: Store,
        factory: RunFactory,
        settings: Callable[[], DaemonSettings],
        rng: random.Random,
        publish: Callable[[str, RunEvent], None],
    ) -> None:
        self.store, self.factory, self.settings, self.rng, self.publish = (
            store,
            factory,
            settings,
            rng,
            publish,
        )


def kept_stages(plan: RunPlan | None) -> list[str]:
    """Stages that an earlier attempt has done and this one takes over: the first planned one reads them."""
    return [*(done.stage for done in plan.done), plan.stages[0].name] if plan and plan.done else []


class RunActor(Actor):
    """Of one attempt."""

    def __init__(self, lease: Lease, hold: Hold, parts: RunParts, daemon: ActorRef) -> None:
        self._lease, self._hold, self._parts, self._daemon = lease, hold, parts, daemon
        self._events: asyncio.Queue[RunEvent] = asyncio.Queue(EVENTS)
        self._safe_point = SafePoint()
        self._order: Order | None = None
        self._ordered = asyncio.Event()
        self._experiment: ActorRef | None = None
        self._record = Record(parts.store, hold, lease.run)

    async def on_start(self) -> None:
        """Begin."""
        left = deadline_left(self._lease.run)
        if left is not None:
            said = f"the deadline of {self._lease.run.deadline_s:g} s over all attempts has passed"
            self.context.schedule(left, Order("deadline", said))
        self.context.create_task(self._work(), name="run")

    @handler
    def on_order(self, order: Order) -> None:
        """Follow it, unless a weightier one is being followed."""
        if outranks(order, self._order):
            self._order = order
            if order.kind in ("stop", "pause"):
                self._safe_point.request()
            self._ordered.set()

    @handler
    def on_child_failed(self, failure: ChildFailed) -> None:
        """The experiment's supervisor has crashed; its last words are a result all the same."""
        _log.error("the supervisor of run %s crashed: %s", self._lease.run.id, describe(failure.reason))

    # The work

    async def _work(self) -> None:
        settled, result = None, None
        try:
            settled, result = await self._attempt()
        except LeaseLostError:
            _log.warning("run %s: the lease is lost; the attempt ends here", self._lease.run.id)
        finally:
            if self._experiment is not None:
                await self._experiment.stop(grace=0.0)
            self._hold.close()
        await self._daemon.tell(RunEnded(self._lease, settled, result))
        self.context.stop_self()

    async def _attempt(self) -> tuple[QueuedRun, RunResult | None]:
        await self._record.look()
        try:
            planned = await self._hold.while_good(self._plan())
        except (LeaseLostError, asyncio.CancelledError):
            raise
        except OutputError as error:  # a full disk: another time, or another place, may have room
            return await self._record.settle(self._unplanned(str(error))), None
        except InputError as error:
            return await self._record.settle(refused(str(error))), None
        except Exception as error:  # noqa: BLE001 - whatever keeps a run from starting must not end the daemon
            return await self._record.settle(self._unplanned(describe(error))), None
        self._record.planned(planned.hashes, kept_stages(planned.plan))
        result = planned.finished
        if planned.plan is not None:
            result = await self._hold.while_good(self._run(planned.plan))
        elif result is not None:
            for stage in result.stages:
                await self._record.stage(stage)
        assert result is not None, "a planned run has a plan or a result"
        if result.artifacts:
            await self._record.artifacts(result.artifacts)
        return await self._record.settle(self._settlement(result)), result

    def _settlement(self, result: RunResult) -> Settlement:
        parts = self._parts
        return settlement(self._lease.run, result, self._order, parts.settings(), parts.rng)

    def _unplanned(self, reason: str) -> Settlement:
        return unplanned(self._lease.run, reason, self._parts.settings(), self._parts.rng)

    async def _plan(self) -> PlannedRun:
        lease = self._lease
        return await self._parts.factory(
            RunJob(
                run=lease.run,
                spec=lease.spec,
                publish=self._publish,
                effects=self._record,
                safe_point=self._safe_point,
                current=lambda: self._hold.good,
            )
        )

    def _publish(self, event: RunEvent) -> None:
        """Called by the experiment's supervisor. The end of the attempt is not yet the end of the run."""
        if not isinstance(event, RunCompleted):
            self._parts.publish(self._lease.run.id, event)
        if not isinstance(event, Progress):
            self._events.put_nowait(event)

    async def _run(self, plan: RunPlan) -> RunResult:
        self._experiment = self.context.spawn(
            lambda: ExperimentSupervisor(plan), name="experiment", mailbox_capacity=4096, restart="temporary"
        )
        await self._experiment.tell(Start())
        halting = self.context.create_task(self._halt(self._experiment), name="halt")
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, RunCompleted):
                    return event.result
                await self._record.take(event)
        finally:
            halting.cancel()

    async def _halt(self, experiment: ActorRef) -> None:
        """End the experiment as ordered; a training may save what it has, if there is time for it."""
        await self._ordered.wait()
        order = self._order
        if order is not None and order.kind in ("stop", "pause"):
            await self._rest(order)
        assert self._order is not None
        await experiment.tell(Cancel(reason=self._order.reason or self._order.kind))

    async def _rest(self, order: Order) -> None:
        """Until the safe point is reached, time is up, or a weightier order has come."""
        reached = self.context.create_task(self._safe_point.reached(), name="safe point")
        patience = REST_S if order.kind == "pause" else self._parts.settings().stop_s / 2
        late = self.context.create_task(self.context.sleep(patience), name="patience")
        try:
            while self._order is order:
                self._ordered.clear()
                again = self.context.create_task(self._ordered.wait(), name="order")
                done, _ = await asyncio.wait((reached, late, again), return_when=asyncio.FIRST_COMPLETED)
                again.cancel()
                if reached in done or late in done:
                    return
        finally:
            reached.cancel()
            late.cancel()
