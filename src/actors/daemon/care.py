"""The loops beside the claims: runs of dead daemons are rescued, old ones forgotten, schedules fired.

Children of the daemon. Each does one thing again and again; a store that fails is asked again next time.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ...messages.errors import CrucibleError, StoreError
from ...messages.queue import Schedule
from ...messages.settings import DaemonSettings
from ..runtime import Actor, handler
from ..store import Store
from .cron import next_time

__all__ = ["Pruner", "Rescuer", "Scheduler"]

PRUNE_EVERY_S = 600.0
NEVER_S = 10 * 365 * 86_400.0
"""How far off a schedule is put that will never be due again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Tick:
    """Time to look again."""


class _Loop(Actor, ABC):
    """Calls ``once`` every ``every_s`` seconds, the first time at once."""

    @abstractmethod
    def every_s(self) -> float:
        """Seconds between two looks."""

    @abstractmethod
    async def once(self) -> None:
        """Look."""

    async def on_start(self) -> None:
        """The first look."""
        self.ref.tell_nowait(_Tick())

    @handler
    async def on_tick(self, _message: _Tick) -> None:
        """One look, and the next one planned."""
        try:
            await self.once()
        except StoreError as error:
            _log.warning("%s: the store failed: %s", type(self).__name__.lower(), error)
        self.context.schedule(self.every_s(), _Tick(), key="tick")


class Rescuer(_Loop):
    """Gives the runs of daemons that are gone back to the queue."""

    def __init__(
        self, store: Store, settings: Callable[[], DaemonSettings], wake: Callable[[], None]
    ) -> None:
        self._store, self._settings, self._wake = store, settings, wake

    def every_s(self) -> float:
        """As set."""
        return self._settings().rescue_s

    async def once(self) -> None:
        """All whose lease has run out."""
        rescued = await self._store.rescue(max_interruptions=self._settings().max_interruptions)
        for run in rescued:
            _log.warning("run %s was rescued: its daemon is gone; it is %s now", run.id, run.state)
        if rescued:
            self._wake()


class Pruner(_Loop):
    """Forgets runs that ended long ago, with their folders."""

    def __init__(
        self, store: Store, settings: Callable[[], DaemonSettings], delete: Callable[[str], None]
    ) -> None:
        self._store, self._settings, self._delete = store, settings, delete

    def every_s(self) -> float:
        """Every ten minutes."""
        return PRUNE_EVERY_S

    async def once(self) -> None:
        """As many as the store takes at once."""
        keep_days = self._settings().keep_days
        if keep_days is None:
            return
        for run_id in await self._store.prune(ended_before_s=keep_days * 86_400):
            await asyncio.to_thread(self._delete, run_id)
            _log.info("run %s was deleted: it ended more than %g days ago", run_id, keep_days)


class Scheduler(_Loop):
    """Submits what is due. A time that was missed, because no daemon ran, is made up for once."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], DaemonSettings],
        new_id: Callable[[str], str],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._settings, self._new_id, self._wake = store, settings, new_id, wake

    def every_s(self) -> float:
        """As often as the queue is looked at."""
        return self._settings().poll_s

    async def once(self) -> None:
        """All that are due."""
        for schedule, now in await self._store.due_schedules():
            await self._fire(schedule, now)

    async def _fire(self, schedule: Schedule, now: float) -> None:
        try:
            next_at = next_time(schedule.cron, now)
        except CrucibleError as error:
            _log.error("schedule %s will not fire again: %s", schedule.id, error)
            next_at = now + NEVER_S
        run = await self._store.fire(
            schedule.id, due_at=schedule.next_at, next_at=next_at, run_id=self._new_id(schedule.experiment_id)
        )
        if run is not None:
            _log.info("schedule %s has submitted run %s", schedule.id, run.id)
            self._wake()
