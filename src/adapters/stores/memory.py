"""The store in memory: the reference that the others are compared with. Nothing survives the process.

For tests, and for an embedded supervisor that wants a queue without files. Every method does its work without
an await in between, so each is a transaction by itself: it decides on copies and changes its tables last.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ...messages.errors import ConflictError, LeaseLostError, NotFoundError
from ...messages.queue import (
    TERMINAL,
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
from . import transitions
from .changes import Changes
from .entries import (
    Change,
    Entry,
    NewEvent,
    after_cursor,
    as_json,
    check_quota,
    check_text,
    holds,
    is_due,
    matches,
    require_lease,
    to_cursor,
)
from .schedules import StoredSchedule, run_of, view

__all__ = ["MemoryStore"]

replace = msgspec.structs.replace


class MemoryStore:
    """Implements ``actors.store.Store``."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._changes = Changes()
        self._seq = 0
        self._entries: dict[str, Entry] = {}
        self._specs: dict[str, bytes] = {}
        self._keys: dict[str, str] = {}
        self._events: list[StoredEvent] = []
        self._event_seq = 0
        self._stages: dict[str, dict[tuple[str, str], StageRecord]] = {}
        self._effects: dict[str, Effect] = {}
        self._artifacts: dict[str, dict[str, StoredArtifact]] = {}
        self._sessions: dict[str, StoredSession] = {}
        self._daemons: dict[str, DaemonRecord] = {}
        self._schedules: dict[str, StoredSchedule] = {}

    # Submissions and what people ask for.

    async def submit(
        self, run: NewRun, *, max_queued: int | None = None, max_queued_by_owner: int | None = None
    ) -> Submitted:
        """Queue a run; see the contract."""
        check_text(run)
        there = self._there(run)
        if there is not None:
            return Submitted(run=there, created=False)
        change = transitions.new_entry(run, self._clock(), self._seq + 1)
        waiting = [entry.run.owner for entry in self._entries.values() if entry.run.state == "queued"]
        check_quota(len(waiting), max_queued)
        check_quota(waiting.count(run.owner), max_queued_by_owner, owner=run.owner)
        return Submitted(run=self._add(run, change), created=True)

    def _there(self, run: NewRun) -> QueuedRun | None:
        known = self._keys.get(run.key) if run.key is not None else None
        entry = self._entries.get(known if known is not None else run.id)
        return None if entry is None else transitions.same_submission(entry.run, run)

    def _add(self, new: NewRun, change: Change) -> QueuedRun:
        self._seq += 1
        self._specs[new.id] = new.spec
        if new.key is not None:
            self._keys[new.key] = new.id
        return self._write(change)

    async def cancel(self, run_id: str, reason: str) -> QueuedRun:
        """Cancel; see the contract."""
        return self._write(transitions.cancelled(self._entry(run_id), reason, self._clock()))

    async def pause(self, run_id: str) -> QueuedRun:
        """Pause; see the contract."""
        return self._write(transitions.paused(self._entry(run_id)))

    async def resume(self, run_id: str) -> QueuedRun:
        """Let a paused run go on; see the contract."""
        return self._write(transitions.resumed(self._entry(run_id)))

    async def retry(self, run_id: str) -> QueuedRun:
        """Queue a run that ended badly again; see the contract."""
        return self._write(transitions.retried(self._entry(run_id), self._clock()))

    # Reading.

    async def run(self, run_id: str) -> QueuedRun:
        """One run."""
        self._changes.looked()
        return self._entry(run_id).run

    async def spec(self, run_id: str) -> bytes:
        """Its experiment."""
        self._entry(run_id)
        return self._specs[run_id]

    async def runs(
        self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> RunPage:
        """Newest first."""
        self._changes.looked()
        below, where = after_cursor(cursor), where or RunFilter()
        newest = sorted(self._entries.values(), key=lambda entry: -entry.seq)
        found = [entry for entry in newest if entry.seq < below and matches(entry.run, where)]
        page = found[:limit]
        more = to_cursor(page[-1].seq) if len(found) > len(page) and page else None
        return RunPage(runs=tuple(entry.run for entry in page), cursor=more)

    async def counts(self) -> QueueCounts:
        """Runs by state."""
        self._changes.looked()
        runs, now = [entry.run for entry in self._entries.values()], self._clock()
        waits = [max(0.0, now - run.run_at) for run in runs if is_due(run, now)]
        return QueueCounts(
            by_state=dict(Counter(run.state for run in runs)), oldest_due_s=max(waits, default=None)
        )

    async def stages(self, run_id: str) -> list[StageRecord]:
        """What is recorded of a run."""
        self._changes.looked()
        return list(self._stages.get(run_id, {}).values())

    async def events(
        self, *, after: int = 0, run_id: str | None = None, limit: int = 1000
    ) -> list[StoredEvent]:
        """Later events, oldest first."""
        self._changes.looked()
        found = (event for event in self._events if event.seq > after and run_id in {None, event.run_id})
        return [event for event, _ in zip(found, range(limit), strict=False)]

    async def latest_event(self) -> int:
        """Number of the latest event."""
        return self._events[-1].seq if self._events else 0

    async def artifacts(self, run_id: str) -> list[StoredArtifact]:
        """Files of a run, by name."""
        return [each for _, each in sorted(self._artifacts.get(run_id, {}).items())]

    async def session(self, run_id: str) -> StoredSession | None:
        """Where its training stands."""
        return self._sessions.get(run_id)

    async def changed(self, timeout_s: float) -> None:
        """Wait for a write."""
        await self._changes.wait(timeout_s)

    # Daemons and their leases.

    async def register(self, daemon: DaemonRecord, *, max_interruptions: int) -> list[QueuedRun]:
        """A daemon has started; see the contract."""
        now, there = self._clock(), self._daemons.get(daemon.id)
        again = there is not None and there.boot_id == daemon.boot_id
        began = there.started_at if there is not None and again else now
        self._daemons[daemon.id] = replace(daemon, started_at=began, heartbeat_at=now)
        old = [
            entry
            for entry in self._entries.values()
            if entry.run.daemon == daemon.id and entry.boot != daemon.boot_id
        ]
        return [self._write(transitions.lapsed(entry, now, max_interruptions)) for entry in old]

    async def heartbeat(self, daemon_id: str, boot_id: str) -> bool:
        """A daemon is alive."""
        there = self._daemons.get(daemon_id)
        if there is None or there.boot_id != boot_id:
            return False
        self._daemons[daemon_id] = replace(there, heartbeat_at=self._clock())
        return True

    async def daemons(self) -> list[DaemonRecord]:
        """Known daemons."""
        return sorted(self._daemons.values(), key=lambda each: (-each.heartbeat_at, each.id))

    async def forget(self, daemon_id: str, boot_id: str) -> None:
        """A daemon has stopped."""
        there = self._daemons.get(daemon_id)
        if there is not None and there.boot_id == boot_id:
            del self._daemons[daemon_id]

    async def claim(
        self,
        daemon_id: str,
        *,
        limit: int,
        ttl_s: float,
        max_running_by_owner: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Lease]:
        """Take due runs; see the contract."""
        now = self._clock()
        due = [entry for entry in self._entries.values() if is_due(entry.run, now)]
        if among is not None:
            due = [entry for entry in due if entry.run.id in among]
        running = Counter(entry.run.owner for entry in self._entries.values() if entry.run.state == "running")
        daemon = self._daemons.get(daemon_id)
        leases: list[Lease] = []
        for entry in sorted(due, key=lambda each: (-each.run.priority, each.run.run_at, each.seq)):
            if len(leases) >= limit:
                break
            if max_running_by_owner is not None and running[entry.run.owner] >= max_running_by_owner:
                continue
            running[entry.run.owner] += 1
            boot = "" if daemon is None else daemon.boot_id
            run = self._write(transitions.claimed(entry, daemon_id, boot, ttl_s, now))
            leases.append(Lease(run=run, spec=self._specs[run.id], token=run.token, ttl_s=ttl_s))
        return leases

    async def renew(self, daemon_id: str, leases: Mapping[str, int], *, ttl_s: float) -> list[LeaseNews]:
        """Extend leases."""
        return [self._renewed(daemon_id, run_id, token, ttl_s) for run_id, token in leases.items()]

    def _renewed(self, daemon_id: str, run_id: str, token: int, ttl_s: float) -> LeaseNews:
        try:
            entry = require_lease(self._entries.get(run_id), run_id, token, self._clock())
            entry = transitions.extended(entry, daemon_id, token, ttl_s, self._clock())
        except LeaseLostError:
            return LeaseNews(run_id=run_id, held=False)
        self._entries[run_id] = entry
        return LeaseNews(run_id=run_id, held=True, cancel=entry.run.cancel, pause=entry.run.pause)

    async def settle(self, run_id: str, token: int, settlement: Settlement) -> QueuedRun:
        """End a lease."""
        entry = self._entries.get(run_id)
        if entry is None:
            raise LeaseLostError(f"run {run_id}: is not there any more")
        as_json(settlement.metrics)
        return self._write(transitions.settled(entry, token, settlement, self._clock()))

    async def rescue(self, *, max_interruptions: int) -> list[QueuedRun]:
        """Give back runs whose lease has run out."""
        now = self._clock()
        out = [
            entry
            for entry in self._entries.values()
            if entry.run.state == "running" and not holds(entry, entry.run.token, now)
        ]
        return [self._write(transitions.lapsed(entry, now, max_interruptions)) for entry in out]

    # What a run records, under its lease.

    async def record_stage(self, record: StageRecord, *, body: Mapping[str, Any] | None = None) -> None:
        """Record a stage once."""
        entry = self._leased(record.run_id, record.token)
        event = transitions.stage_event(record, body)
        as_json(event.body)
        stages = self._stages.setdefault(record.run_id, {})
        there = stages.get((record.name, record.input_hash))
        if there is not None:
            if transitions.stage_stands(there, record):
                return
            del stages[record.name, record.input_hash]
        stages[record.name, record.input_hash] = replace(
            record, attempt=entry.run.attempt, ended_at=self._clock()
        )
        self._write(Change(transitions.progressed(entry), (event,)))

    async def record_event(self, run_id: str, token: int, kind: str, body: Mapping[str, Any]) -> None:
        """Add an event."""
        self._leased(run_id, token)
        self._tell([NewEvent(run_id, kind, body)])

    async def record_artifacts(self, run_id: str, token: int, artifacts: Sequence[StoredArtifact]) -> None:
        """Replace the list of files."""
        self._leased(run_id, token)
        self._artifacts[run_id] = {each.name: replace(each, run_id=run_id) for each in artifacts}
        self._changes.happened()

    async def intend(self, token: int, effect: Effect) -> Effect:
        """Write an effect down."""
        self._leased(effect.run_id, token)
        there = self._effects.get(effect.key)
        if there is None:
            self._effects[effect.key] = there = replace(effect, created=True)
            self._changes.happened()
            return there
        if there.run_id != effect.run_id:
            raise ConflictError(f"effect {effect.key!r}: the key is taken by run {there.run_id}")
        return replace(there, created=False)

    async def effect(
        self, run_id: str, token: int, key: str, state: EffectState, *, remote_ref: str | None = None
    ) -> None:
        """Say what became of an effect."""
        self._leased(run_id, token)
        there = self._effects.get(key)
        if there is None or there.run_id != run_id:
            raise NotFoundError(f"run {run_id}: has no effect {key!r}")
        reference = there.remote_ref if remote_ref is None else remote_ref
        self._effects[key] = replace(there, state=state, remote_ref=reference)
        self._changes.happened()

    async def save_session(self, token: int, session: StoredSession) -> None:
        """Replace where a training stands."""
        self._leased(session.run_id, token)
        self._sessions[session.run_id] = session
        self._changes.happened()

    # Schedules.

    async def put_schedule(self, schedule: NewSchedule) -> Schedule:
        """Create or replace."""
        check_text(schedule)
        there = self._schedules.get(schedule.id)
        last = None if there is None else there.last_run_id
        stored = StoredSchedule(schedule, schedule.next_at, last)
        self._schedules[schedule.id] = stored
        self._changes.happened()
        return view(stored)

    async def schedules(self) -> list[Schedule]:
        """By id."""
        return [view(stored) for _, stored in sorted(self._schedules.items())]

    async def drop_schedule(self, schedule_id: str) -> None:
        """Delete."""
        if self._schedules.pop(schedule_id, None) is None:
            raise NotFoundError(f"there is no schedule {schedule_id!r}")
        self._changes.happened()

    async def pause_schedule(self, schedule_id: str) -> Schedule:
        """Not due until it is resumed."""
        return self._set_schedule(schedule_id, enabled=False)

    async def resume_schedule(self, schedule_id: str, *, next_at: float) -> Schedule:
        """Go on."""
        return self._set_schedule(schedule_id, enabled=True, next_at=next_at)

    def _set_schedule(self, schedule_id: str, *, enabled: bool, next_at: float | None = None) -> Schedule:
        stored = self._schedules.get(schedule_id)
        if stored is None:
            raise NotFoundError(f"there is no schedule {schedule_id!r}")
        if stored.enabled != enabled:
            stored = replace(stored, enabled=enabled, next_at=stored.next_at if next_at is None else next_at)
            self._schedules[schedule_id] = stored
            self._changes.happened()
        return view(stored)

    async def due_schedules(self) -> list[tuple[Schedule, float]]:
        """Those whose time has come."""
        now = self._clock()
        return [(each, now) for each in await self.schedules() if each.enabled and each.next_at <= now]

    async def fire(self, schedule_id: str, *, due_at: float, next_at: float, run_id: str) -> QueuedRun | None:
        """Submit a schedule's run; see the contract."""
        stored = self._schedules.get(schedule_id)
        if stored is None:
            raise NotFoundError(f"there is no schedule {schedule_id!r}")
        if stored.last_run_id == run_id and run_id in self._entries:
            return self._entries[run_id].run
        if stored.next_at != due_at or not stored.enabled:
            return None
        if run_id in self._entries:
            raise ConflictError(f"run {run_id}: the id is taken by another run")
        new = run_of(stored.new, run_id)
        run = self._add(new, transitions.new_entry(new, self._clock(), self._seq + 1))
        self._schedules[schedule_id] = replace(stored, next_at=next_at, last_run_id=run_id)
        return run

    # Care.

    async def prune(self, *, ended_before_s: float, limit: int = 1000) -> list[str]:
        """Forget runs that ended long ago."""
        before = self._clock() - ended_before_s
        old = [
            (entry.run.ended_at, run_id)
            for run_id, entry in self._entries.items()
            if entry.run.state in TERMINAL and entry.run.ended_at is not None and entry.run.ended_at < before
        ]
        gone = [run_id for _, run_id in sorted(old)[:limit]]
        for run_id in gone:
            self._forget(run_id)
        return gone

    def _forget(self, run_id: str) -> None:
        run = self._entries.pop(run_id).run
        if run.key is not None:
            del self._keys[run.key]
        for table in (self._specs, self._stages, self._artifacts, self._sessions):
            table.pop(run_id, None)
        self._effects = {key: each for key, each in self._effects.items() if each.run_id != run_id}
        self._events = [event for event in self._events if event.run_id != run_id]
        self._changes.happened()

    async def aclose(self) -> None:
        """Nothing to release."""

    # The tables.

    def _entry(self, run_id: str) -> Entry:
        entry = self._entries.get(run_id)
        if entry is None:
            raise NotFoundError(f"there is no run {run_id!r}")
        return entry

    def _leased(self, run_id: str, token: int) -> Entry:
        return require_lease(self._entries.get(run_id), run_id, token, self._clock())

    def _write(self, change: Change) -> QueuedRun:
        self._entries[change.entry.run.id] = change.entry
        self._tell(change.events)
        return change.entry.run

    def _tell(self, events: Iterable[NewEvent]) -> None:
        now = self._clock()
        for event in events:
            body = msgspec.json.decode(as_json(event.body))
            self._event_seq += 1
            self._events.append(
                StoredEvent(seq=self._event_seq, run_id=event.run_id, at=now, kind=event.kind, body=body)
            )
        self._changes.happened()
