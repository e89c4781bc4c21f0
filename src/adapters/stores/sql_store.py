"""A store over SQL: every method is an operation that a database drives.

The base of ``sqlite`` and ``postgres``. It knows no driver: those say how to write (in a transaction, durable
when it returns) and how to read.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from ...messages.queue import (
    DaemonRecord,
    Effect,
    EffectState,
    Lease,
    LeaseNews,
    NewRun,
    NewSchedule,
    QueueCounts,
    QueuedRun,
    RunFilter,
    RunPage,
    Schedule,
    Settlement,
    StageRecord,
    StoredArtifact,
    StoredEvent,
    StoredSession,
    Submitted,
)
from . import queue_operations as queue
from . import read_operations as read
from . import record_operations as recorded
from . import rows, transitions
from . import schedule_operations as planned
from .changes import Changes
from .steps import Steps

__all__ = ["SqlStore", "Undo"]

T = TypeVar("T")
Undo = Callable[[Any], Steps[None] | None]
"""What takes a write back whose caller was cancelled before it learnt of it; None when there is nothing."""


class SqlStore(abc.ABC):
    """Implements ``actors.store.Store``."""

    def __init__(self) -> None:
        self._changes = Changes()

    @abc.abstractmethod
    async def _write(self, steps: Steps[T], undo: Undo | None = None) -> T:
        """Drive an operation in a transaction. A cancelled caller gets away at once."""

    @abc.abstractmethod
    async def _read(self, steps: Steps[T]) -> T:
        """Drive an operation that only reads, on one snapshot."""

    async def _look(self, steps: Steps[T]) -> T:
        self._changes.looked()
        return await self._read(steps)

    # Submissions and what people ask for.

    async def submit(
        self, run: NewRun, *, max_queued: int | None = None, max_queued_by_owner: int | None = None
    ) -> Submitted:
        """Queue a run; see the contract."""
        return await self._write(queue.submit(run, max_queued, max_queued_by_owner))

    async def cancel(self, run_id: str, reason: str) -> QueuedRun:
        """Cancel; see the contract."""
        return await self._write(
            queue.turn(run_id, lambda entry, at: transitions.cancelled(entry, reason, at))
        )

    async def pause(self, run_id: str) -> QueuedRun:
        """Pause; see the contract."""
        return await self._write(queue.turn(run_id, lambda entry, _: transitions.paused(entry)))

    async def resume(self, run_id: str) -> QueuedRun:
        """Let a paused run go on; see the contract."""
        return await self._write(queue.turn(run_id, lambda entry, _: transitions.resumed(entry)))

    async def retry(self, run_id: str) -> QueuedRun:
        """Queue a run that ended badly again; see the contract."""
        return await self._write(queue.turn(run_id, transitions.retried))

    # Reading.

    async def run(self, run_id: str) -> QueuedRun:
        """One run."""
        return (await self._look(rows.get(run_id, lock=""))).run

    async def spec(self, run_id: str) -> bytes:
        """Its experiment."""
        return await self._read(read.spec(run_id))

    async def runs(
        self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> RunPage:
        """Newest first."""
        return await self._look(read.runs(where or RunFilter(), cursor, limit))

    async def counts(self) -> QueueCounts:
        """Runs by state."""
        return await self._look(read.counts())

    async def stages(self, run_id: str) -> list[StageRecord]:
        """What is recorded of a run."""
        return await self._look(read.stages(run_id))

    async def events(
        self, *, after: int = 0, run_id: str | None = None, limit: int = 1000
    ) -> list[StoredEvent]:
        """Later events, oldest first."""
        return await self._look(read.events(after, run_id, limit))

    async def latest_event(self) -> int:
        """Number of the latest event."""
        return await self._look(read.latest_event())

    async def artifacts(self, run_id: str) -> list[StoredArtifact]:
        """Files of a run, by name."""
        return await self._read(read.artifacts(run_id))

    async def session(self, run_id: str) -> StoredSession | None:
        """Where its training stands."""
        return await self._read(read.session(run_id))

    async def changed(self, timeout_s: float) -> None:
        """Wait for a write."""
        await self._changes.wait(timeout_s)

    # Daemons and their leases.

    async def register(self, daemon: DaemonRecord, *, max_interruptions: int) -> list[QueuedRun]:
        """A daemon has started; see the contract."""
        return await self._write(queue.register(daemon, max_interruptions))

    async def heartbeat(self, daemon_id: str, boot_id: str) -> bool:
        """A daemon is alive."""
        return await self._write(queue.heartbeat(daemon_id, boot_id))

    async def daemons(self) -> list[DaemonRecord]:
        """Known daemons."""
        return await self._read(read.daemons())

    async def forget(self, daemon_id: str, boot_id: str) -> None:
        """A daemon has stopped."""
        await self._write(queue.forget(daemon_id, boot_id))

    async def claim(
        self,
        daemon_id: str,
        *,
        limit: int,
        ttl_s: float,
        max_running_by_owner: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Lease]:
        """Take due runs; see the contract. When the caller is cancelled, what was claimed is handed back."""
        steps = queue.claim(daemon_id, limit, ttl_s, max_running_by_owner, among)
        return await self._write(steps, lambda leases: queue.hand_back(leases) if leases else None)

    async def renew(self, daemon_id: str, leases: Mapping[str, int], *, ttl_s: float) -> list[LeaseNews]:
        """Extend leases."""
        return await self._write(queue.renew(daemon_id, leases, ttl_s)) if leases else []

    async def settle(self, run_id: str, token: int, settlement: Settlement) -> QueuedRun:
        """End a lease."""
        return await self._write(queue.settle(run_id, token, settlement))

    async def rescue(self, *, max_interruptions: int) -> list[QueuedRun]:
        """Give back runs whose lease has run out."""
        return await self._write(queue.rescue(max_interruptions))

    # What a run records, under its lease.

    async def record_stage(self, record: StageRecord, *, body: Mapping[str, Any] | None = None) -> None:
        """Record a stage once."""
        await self._write(recorded.record_stage(record, body))

    async def record_event(self, run_id: str, token: int, kind: str, body: Mapping[str, Any]) -> None:
        """Add an event."""
        await self._write(recorded.record_event(run_id, token, kind, body))

    async def record_artifacts(self, run_id: str, token: int, artifacts: Sequence[StoredArtifact]) -> None:
        """Replace the list of files."""
        await self._write(recorded.record_artifacts(run_id, token, artifacts))

    async def intend(self, token: int, effect: Effect) -> Effect:
        """Write an effect down."""
        return await self._write(recorded.intend(token, effect))

    async def effect(
        self, run_id: str, token: int, key: str, state: EffectState, *, remote_ref: str | None = None
    ) -> None:
        """Say what became of an effect."""
        await self._write(recorded.effect(run_id, token, key, state, remote_ref))

    async def save_session(self, token: int, session: StoredSession) -> None:
        """Replace where a training stands."""
        await self._write(recorded.save_session(token, session))

    # Schedules.

    async def put_schedule(self, schedule: NewSchedule) -> Schedule:
        """Create or replace."""
        return await self._write(planned.put_schedule(schedule))

    async def schedules(self) -> list[Schedule]:
        """By id."""
        return await self._read(planned.schedules())

    async def drop_schedule(self, schedule_id: str) -> None:
        """Delete."""
        await self._write(planned.drop_schedule(schedule_id))

    async def pause_schedule(self, schedule_id: str) -> Schedule:
        """Not due until it is resumed."""
        return await self._write(planned.pause_schedule(schedule_id))

    async def resume_schedule(self, schedule_id: str, *, next_at: float) -> Schedule:
        """Go on."""
        return await self._write(planned.resume_schedule(schedule_id, next_at))

    async def due_schedules(self) -> list[tuple[Schedule, float]]:
        """Those whose time has come."""
        return await self._read(planned.due_schedules())

    async def fire(self, schedule_id: str, *, due_at: float, next_at: float, run_id: str) -> QueuedRun | None:
        """Submit a schedule's run; see the contract."""
        return await self._write(planned.fire(schedule_id, due_at, next_at, run_id))

    # Care.

    async def prune(self, *, ended_before_s: float, limit: int = 1000) -> list[str]:
        """Forget runs that ended long ago."""
        return await self._write(queue.prune(ended_before_s, limit))
