"""The contract of a durable store: what a daemon, the API and the command ask of it.

One conformance suite holds for all stores. The promise: each stage is recorded once; each outside call is
made at least once, always with the same idempotency key; nothing that was acknowledged is lost.

Rules that every store keeps:

- When a method that writes returns, what it wrote survives a power cut (but for the store in memory).
- Every write under a lease names run and token, changes nothing when the token is not the current one or the
  lease has run out, and raises LeaseLostError then. State change and event are one transaction.
- The store's clock decides. Callers give durations; the only absolute times are ``run_at`` and ``next_at``.
- Methods raise StoreError when the store itself fails. After a StoreError the write may or may not have
  happened: the caller asks again, with the same id, key or token, and finds out. All writes can be repeated.
  After a failed ``claim`` what it may have claimed comes back by itself when its lease runs out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from ..messages.queue import (
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

__all__ = ["Store"]


class Store(Protocol):
    """A durable queue of runs. Safe to call concurrently from one event loop."""

    # Submissions and what people ask for.

    async def submit(
        self, run: NewRun, *, max_queued: int | None = None, max_queued_by_owner: int | None = None
    ) -> Submitted:
        """Queue a run. The same key and spec hash give the run that is there, ended or not.

        Raises ConflictError for a key with another spec or an id that is taken, and QuotaError when the queue
        of all or of the owner is full (looked at in the same transaction).
        """
        ...

    async def cancel(self, run_id: str, reason: str) -> QueuedRun:
        """Cancel at once when it is queued or paused, else its daemon learns of it at the next renewal.

        No change when it has ended. Raises NotFoundError.
        """
        ...

    async def pause(self, run_id: str) -> QueuedRun:
        """Pause: at once when queued, else at the next renewal. ConflictError when it has ended."""
        ...

    async def resume(self, run_id: str) -> QueuedRun:
        """Back into the queue, or take a pause back that has not been seen yet.

        ConflictError when it is neither paused nor asked to pause.
        """
        ...

    async def retry(self, run_id: str) -> QueuedRun:
        """Queue a failed, cancelled or parked run again, with all its attempts; what is recorded stays.

        ConflictError when it is in another state.
        """
        ...

    # Reading.

    async def run(self, run_id: str) -> QueuedRun:
        """One run; NotFoundError."""
        ...

    async def spec(self, run_id: str) -> bytes:
        """The experiment of a run, as JSON; NotFoundError."""
        ...

    async def runs(
        self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> RunPage:
        """Newest first. Runs that come in between do not shift the pages. InputError for a bad cursor."""
        ...

    async def counts(self) -> QueueCounts:
        """Runs by state."""
        ...

    async def stages(self, run_id: str) -> list[StageRecord]:
        """What is recorded of a run, in order of recording; the latest of each name and input hash."""
        ...

    async def events(
        self, *, after: int = 0, run_id: str | None = None, limit: int = 1000
    ) -> list[StoredEvent]:
        """Events with a higher sequence number, oldest first.

        None may appear later with a lower number than one that was already returned.
        """
        ...

    async def latest_event(self) -> int:
        """Sequence number of the latest event; 0 before the first. Whoever follows from there misses none."""
        ...

    async def artifacts(self, run_id: str) -> list[StoredArtifact]:
        """By name."""
        ...

    async def session(self, run_id: str) -> StoredSession | None:
        """Where the training of a run stands on the other side."""
        ...

    async def changed(self, timeout_s: float) -> None:
        """Return when something may have been written, or after ``timeout_s``.

        By anybody, as far as the store can tell. A hint: callers look again in any case.
        """
        ...

    # Daemons and their leases.

    async def register(self, daemon: DaemonRecord, *, max_interruptions: int) -> list[QueuedRun]:
        """Say that a daemon has started, and take over at once all runs that an earlier boot of it held.

        They go by the rule of ``rescue``; the runs that changed.
        """
        ...

    async def heartbeat(self, daemon_id: str, boot_id: str) -> bool:
        """Say that a daemon is alive; False when another boot has taken its id."""
        ...

    async def daemons(self) -> list[DaemonRecord]:
        """Known daemons, the latest heard of first."""
        ...

    async def forget(self, daemon_id: str, boot_id: str) -> None:
        """A daemon has stopped in good order."""
        ...

    async def claim(
        self,
        daemon_id: str,
        *,
        limit: int,
        ttl_s: float,
        max_running_by_owner: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Lease]:
        """Take up to ``limit`` due runs, by priority and then by age; none over an owner's quota.

        ``among``: none but these few, by id.
        """
        ...

    async def renew(self, daemon_id: str, leases: Mapping[str, int], *, ttl_s: float) -> list[LeaseNews]:
        """Extend leases, given as run id to token; also says who wants a run cancelled or paused."""
        ...

    async def settle(self, run_id: str, token: int, settlement: Settlement) -> QueuedRun:
        """End a lease. A repeat with the same token and state after a StoreError gives the same answer.

        Wishes win over going on: what is handed back is cancelled or paused if somebody asked for it, and
        what paused goes back into the queue if nobody wants the pause any more.
        """
        ...

    async def rescue(self, *, max_interruptions: int) -> list[QueuedRun]:
        """Give back to the queue all runs whose lease has run out; the runs that changed.

        Those that took ``max_interruptions`` daemons down in a row are parked, with that as the reason. A run
        that was to be cancelled is cancelled, one that was to be paused is paused.
        """
        ...

    # What a run records, under its lease.

    async def record_stage(self, record: StageRecord, *, body: Mapping[str, Any] | None = None) -> None:
        """Record a stage once, with its event. A second record under the same hash changes nothing.

        But a stage that failed makes way for what a later lease records. The store sets ``attempt`` and
        ``ended_at``. A new record ends the row of interruptions: another stage runs from now on.
        """
        ...

    async def record_event(self, run_id: str, token: int, kind: str, body: Mapping[str, Any]) -> None:
        """Add an event. After a StoreError it may be there twice when it is repeated."""
        ...

    async def record_artifacts(self, run_id: str, token: int, artifacts: Sequence[StoredArtifact]) -> None:
        """Replace the list of a run's files."""
        ...

    async def intend(self, token: int, effect: Effect) -> Effect:
        """Write an effect down before it is tried; gives back the one that is there, if it is."""
        ...

    async def effect(
        self, run_id: str, token: int, key: str, state: EffectState, *, remote_ref: str | None = None
    ) -> None:
        """Say what became of it."""
        ...

    async def save_session(self, token: int, session: StoredSession) -> None:
        """Replace where a training stands."""
        ...

    # Schedules.

    async def put_schedule(self, schedule: NewSchedule) -> Schedule:
        """Create or replace."""
        ...

    async def schedules(self) -> list[Schedule]:
        """By id."""
        ...

    async def drop_schedule(self, schedule_id: str) -> None:
        """Delete; what it has submitted stays. NotFoundError."""
        ...

    async def pause_schedule(self, schedule_id: str) -> Schedule:
        """It is not due any more until it is resumed. NotFoundError."""
        ...

    async def resume_schedule(self, schedule_id: str, *, next_at: float) -> Schedule:
        """Go on, from ``next_at`` on; no change when it is not paused. NotFoundError."""
        ...

    async def due_schedules(self) -> list[tuple[Schedule, float]]:
        """Schedules whose time has come, and the store's time."""
        ...

    async def fire(self, schedule_id: str, *, due_at: float, next_at: float, run_id: str) -> QueuedRun | None:
        """Submit a schedule's run and set its next time, in one transaction.

        None when another daemon has fired the one due at ``due_at`` already, or when it is paused by now.
        """
        ...

    # Care.

    async def prune(self, *, ended_before_s: float, limit: int = 1000) -> list[str]:
        """Forget runs that ended longer ago than that; their ids, whose folders the caller may delete."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and release everything. Idempotent."""
        ...
