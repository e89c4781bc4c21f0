"""The root of the daemon's actors: claims runs, starts an actor for each, notes their ends, stops in order.

Spawned by ``serving`` and by an embedded supervisor. Its children renew the leases, rescue the runs of dead
daemons, fire schedules, forget old runs, and one each works on a leased run. It looks at the queue when
something wakes it, when a run has ended, when the store says that something changed, and every ``poll_s``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ...messages.control import RunEvent, RunResult
from ...messages.errors import LeaseLostError, StoreError
from ...messages.queue import DaemonRecord, Lease, QueuedRun, RunFilter
from ...messages.settings import DaemonSettings
from ..experiment import describe
from ..runtime import (
    Actor,
    ActorRef,
    Backoff,
    ChildFailed,
    MailboxFull,
    RestartIntensity,
    SupervisionPolicy,
    handler,
)
from ..store import Store
from .care import Pruner, Rescuer, Scheduler
from .decisions import Order, room, trusted_until, unplanned
from .feed import LiveFeed
from .hold import Hold
from .jobs import RunFactory
from .leases import AskNow, Drop, Keep, LeaseKeeper, Superseded
from .run import RunActor, RunEnded, RunParts

__all__ = ["Daemon", "DaemonParts", "Reload", "StopDaemon"]

HINT_S = 3600.0
STORE_AGAIN_S = 1.0
PERMANENT = SupervisionPolicy(
    intensity=RestartIntensity(max_restarts=20, period_s=60.0), backoff=Backoff(initial_s=0.5, max_s=10.0)
)

_log = logging.getLogger(__name__)


def _ignore(_run: QueuedRun, _result: RunResult | None) -> None:
    return


def _no_event(_run_id: str, _event: RunEvent) -> None:
    return


def _keep_folder(_run_id: str) -> None:
    return


@dataclass(kw_only=True)
class DaemonParts:
    """What a daemon is made of; put together by the composition."""

    store: Store
    feed: LiveFeed
    factory: RunFactory
    settings: DaemonSettings
    record: DaemonRecord
    """Who it is; its times are those of the store and not read from here."""
    new_id: Callable[[str], str]
    """A run id for an experiment id."""
    rng: random.Random = field(default_factory=random.Random)
    on_event: Callable[[str, RunEvent], None] = _no_event
    """Gets every event of every run here; must not block."""
    on_settled: Callable[[QueuedRun, RunResult | None], None] = _ignore
    """Gets the run after each attempt that ended here; must not block."""
    among: Callable[[], Collection[str]] | None = None
    """Work on no runs but these; then schedules and old runs are left to whoever works on all."""
    delete_folder: Callable[[str], None] = _keep_folder
    """Deletes the folder of a run that was forgotten. Blocking."""


@dataclass(frozen=True, slots=True)
class StopDaemon:
    """Claim no more, and hand back what is under way."""

    reason: str = "the daemon stops"


@dataclass(frozen=True, slots=True)
class Reload:
    """Work by these settings from now on."""

    settings: DaemonSettings


@dataclass(slots=True)
class _Running:
    lease: Lease
    hold: Hold
    ref: ActorRef


class Daemon(Actor):
    """Of one process, or of one embedded supervisor."""

    def __init__(self, parts: DaemonParts, stopped: asyncio.Event) -> None:
        """``stopped`` is set when everything has been handed back."""
        self._parts = parts
        self._stopped = stopped
        self._settings = parts.settings
        self._running: dict[str, _Running] = {}
        self._news = asyncio.Event()
        self._stopping: str | None = None
        self._leases: ActorRef | None = None
        self._claims_in_doubt = False
        self._given_up: dict[str, int] = {}
        """Tokens of leases that were given up here. They may be good by the store's clock for a while yet."""
        self._claiming = True

    async def on_start(self) -> None:
        """Start the loops."""
        parts = self._parts
        self._run_parts = RunParts(
            parts.store, parts.factory, lambda: self._settings, parts.rng, self._publish
        )
        parts.feed.on_wake = self._woken
        parts.feed.facts |= {"capacity": self._settings.max_running, "accepting": False}
        self.context.create_task(self._work(), name="claims")
        self.context.create_task(self._hints(), name="hints")

    def _woken(self) -> None:
        """Somebody has submitted something, or wants something of a run."""
        self._news.set()
        if self._leases is not None:
            with contextlib.suppress(MailboxFull):
                self._leases.tell_nowait(AskNow())

    def _publish(self, run_id: str, event: RunEvent) -> None:
        self._parts.feed.publish(run_id, event)
        self._parts.on_event(run_id, event)

    # Claims

    async def _work(self) -> None:
        await self._register()
        if self._stopping is None:
            self._spawn_loops()
            self._parts.feed.facts["accepting"] = True
        while self._stopping is None:
            self._news.clear()
            await self._look()
            await self._until_news(self._settings.poll_s)
        self._claiming = False
        self._look_again()

    async def _register(self) -> None:
        """Say that this daemon is here; runs that an earlier boot of it held come back at once."""
        parts = self._parts
        while self._stopping is None:
            try:
                taken = await parts.store.register(
                    parts.record, max_interruptions=self._settings.max_interruptions
                )
            except StoreError as error:
                _log.warning("the store failed: %s", error)
                await self.context.sleep(STORE_AGAIN_S)
                continue
            for run in taken:
                _log.info("run %s was under way when this daemon last ended: it is %s", run.id, run.state)
            return

    def _spawn_loops(self) -> None:
        parts, daemon, kept = self._parts, self.ref, dict[str, Keep]()
        settings, wake = self._settings, self._news.set

        def now() -> DaemonSettings:
            return self._settings

        def keeper() -> Actor:
            return LeaseKeeper(
                parts.store, parts.record, daemon, kept, ttl_s=settings.lease_s, renew_s=settings.renew_s
            )

        loops: dict[str, Callable[[], Actor]] = {
            "leases": keeper,
            "rescuer": lambda: Rescuer(parts.store, now, wake),
            "scheduler": lambda: Scheduler(parts.store, now, parts.new_id, wake),
            "pruner": lambda: Pruner(parts.store, now, parts.delete_folder),
        }
        if parts.among is not None:
            del loops["scheduler"], loops["pruner"]
        refs = {
            name: self.context.spawn(make, name=name, policy=PERMANENT, restart="permanent")
            for name, make in loops.items()
        }
        self._leases = refs["leases"]

    async def _hints(self) -> None:
        """The store may know sooner than the next look."""
        while True:
            try:
                await self._parts.store.changed(HINT_S)
            except StoreError:
                await self.context.sleep(STORE_AGAIN_S)
            self._news.set()
            await self.context.sleep(0.02)  # many changes are one piece of news

    async def _until_news(self, timeout_s: float) -> None:
        """Or until the time is up."""
        timer = self.context.clock.call_later(timeout_s, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    async def _look(self) -> None:
        free = room(self._settings, len(self._running))
        if not free:
            return
        asked_at = self.context.clock.now()
        try:
            if self._claims_in_doubt:
                await self._find_own(asked_at)
            leases = await self._parts.store.claim(
                self._parts.record.id,
                limit=room(self._settings, len(self._running)),
                ttl_s=self._settings.lease_s,
                max_running_by_owner=self._settings.max_running_by_owner,
                among=self._parts.among() if self._parts.among is not None else None,
            )
        except StoreError as error:
            self._claims_in_doubt = True
            _log.warning("the queue could not be looked at: %s", error)
            return
        for lease in leases:
            await self._begin(lease, trusted_until(asked_at, lease.ttl_s))

    async def _find_own(self, asked_at: float) -> None:
        """After a claim that failed: it may have been granted, and then nobody works on the run."""
        store, own = self._parts.store, self._parts.record.id
        cursor = None
        while True:
            page = await store.runs(RunFilter(states=("running",)), cursor=cursor, limit=200)
            for run in page.runs:
                given_up = self._given_up.get(run.id, -1) >= run.token
                if run.daemon == own and run.id not in self._running and not given_up:
                    lease = Lease(
                        run=run, spec=await store.spec(run.id), token=run.token, ttl_s=self._settings.lease_s
                    )
                    news = await store.renew(own, {run.id: run.token}, ttl_s=lease.ttl_s)
                    if any(each.held for each in news):
                        await self._begin(lease, trusted_until(asked_at, lease.ttl_s))
            cursor = page.cursor
            if cursor is None:
                break
        self._claims_in_doubt = False

    async def _begin(self, lease: Lease, until: float) -> None:
        run = lease.run
        before = self._running.pop(run.id, None)
        if before is not None:  # its lease was lost and it has not noticed: two must not share a folder
            before.hold.give_up()
            await before.ref.stop()
        _log.info("run %s begins: attempt %d of %d", run.id, run.attempt, run.max_attempts)
        self._given_up.pop(run.id, None)
        hold = Hold(run.id, lease.token, until=until, clock=self.context.clock)
        self._parts.feed.begin(run.id, run.experiment_id)
        ref = self.context.spawn(
            lambda: RunActor(lease, hold, self._run_parts, self.ref),
            name=f"{run.id}:{lease.token}",
            restart="temporary",
        )
        self._running[run.id] = _Running(lease, hold, ref)
        if self._leases is not None:
            await self._leases.tell(Keep(hold, ref))
        if self._stopping is not None:
            await ref.tell(Order("stop", self._stopping))

    # Ends

    @handler
    async def on_run_ended(self, message: RunEnded) -> None:
        """Forget it here, and look for the next one."""
        run = message.lease.run
        running = self._running.get(run.id)
        if running is not None and running.lease.token == message.lease.token:
            del self._running[run.id]
            if self._leases is not None:
                await self._leases.tell(Drop(running.hold))
            self._tell_end(run, message.settled)
        if message.settled is None:
            self._given_up[run.id] = message.lease.token
        else:
            self._parts.on_settled(message.settled, message.result)
        self._look_again()

    def _tell_end(self, run: QueuedRun, settled: QueuedRun | None) -> None:
        state = "lost" if settled is None else settled.state
        reason = None if settled is None else settled.reason
        body: dict[str, Any] = {"state": state} | ({"reason": reason} if reason else {})
        self._parts.feed.end(run.id, f"run.{state}", body)
        _log.info("run %s: %s", run.id, state if reason is None else f"{state}: {reason}")

    @handler
    async def on_child_failed(self, failure: ChildFailed) -> None:
        """A run's actor has a bug: its attempt has failed."""
        ended = next((each for each in self._running.values() if each.ref == failure.child), None)
        if ended is None:
            _log.error("%s failed: %s", failure.child.name, describe(failure.reason))
            return
        _log.error("run %s: internal error: %s", ended.lease.run.id, describe(failure.reason))
        self.context.create_task(self._settle_failed(ended, describe(failure.reason)), name="settle")

    async def _settle_failed(self, ended: _Running, reason: str) -> None:
        run = ended.lease.run
        decided = unplanned(run, f"internal error: {reason}", self._settings, self._parts.rng)
        settled = None
        try:
            settled = await ended.hold.patiently(
                lambda: self._parts.store.settle(run.id, ended.lease.token, decided)
            )
        except LeaseLostError:
            _log.warning("run %s: the lease is lost", run.id)
        ended.hold.close()
        await self.ref.tell(RunEnded(ended.lease, settled, None))

    @handler
    async def on_superseded(self, _message: Superseded) -> None:
        """Another process has this daemon's id."""
        _log.critical("another daemon has taken the id %s: this one stops", self._parts.record.id)
        await self._stop("another daemon has taken over")

    # Settings and the end

    @handler
    def on_reload(self, message: Reload) -> None:
        """Leases keep their length until the next start."""
        self._settings = message.settings
        self._parts.feed.facts["capacity"] = message.settings.max_running
        self._news.set()

    @handler
    async def on_stop_daemon(self, message: StopDaemon) -> None:
        """Order all runs to stop."""
        await self._stop(message.reason)

    async def _stop(self, reason: str) -> None:
        if self._stopping is not None:
            return
        self._stopping = reason
        self._parts.feed.facts["accepting"] = False
        for running in self._running.values():
            await running.ref.tell(Order("stop", reason))
        self._look_again()

    def _look_again(self) -> None:
        self._news.set()
        if self._stopping is not None and not self._running and not self._claiming:
            self._stopped.set()
