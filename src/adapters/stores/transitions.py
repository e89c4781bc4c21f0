"""What may become of a run in the queue: pure functions of a run and the time, the same for every store.

A store reads an entry, asks here what it becomes, and writes that with its events in one transaction. Nothing
here reads a clock, a database or a setting. Refusals are InputErrors; a lost lease is a LeaseLostError.

    queued ──claim──> running ──settle──> completed | failed | cancelled | parked | paused | queued
       │                 └──lapse──> queued | parked | cancelled | paused
       ├──pause──> paused ──resume──> queued
       └──cancel──> cancelled           completed is final; failed, cancelled, parked ──retry──> queued
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...messages.errors import ConflictError, InputError
from ...messages.queue import TERMINAL, NewRun, QueuedRun, RunState, Settlement, StageRecord
from .entries import Change, Entry, NewEvent, one_line, require_lease

__all__ = [
    "cancelled",
    "claimed",
    "extended",
    "lapsed",
    "new_entry",
    "paused",
    "progressed",
    "resumed",
    "retried",
    "same_submission",
    "settled",
    "stage_event",
    "stage_stands",
]

replace = msgspec.structs.replace


def new_entry(new: NewRun, now: float, seq: int = 0) -> Change:
    """A submission."""
    run = QueuedRun(
        id=new.id,
        experiment_id=new.experiment_id,
        spec_hash=new.spec_hash,
        base=new.base,
        state="queued",
        owner=new.owner,
        priority=new.priority,
        submitted_at=now,
        run_at=now if new.run_at is None else new.run_at,
        key=new.key,
        deadline_s=new.deadline_s,
        max_attempts=new.max_attempts,
        labels=dict(new.labels),
        schedule_id=new.schedule_id,
    )
    return _change(Entry(run, seq), "submitted", owner=run.owner)


def same_submission(there: QueuedRun, new: NewRun) -> QueuedRun:
    """The run that is there, if ``new`` is a repetition of its submission; else ConflictError."""
    if new.key is not None and there.key == new.key:
        if there.spec_hash != new.spec_hash:
            raise ConflictError(f"key {new.key!r}: was used for another experiment, by run {there.id}")
        return there
    if there.key != new.key or there.spec_hash != new.spec_hash or there.owner != new.owner:
        raise ConflictError(f"run {new.id}: the id is taken by another run")
    return there


def cancelled(entry: Entry, reason: str, now: float) -> Change:
    """Somebody wants it cancelled."""
    run, why = entry.run, one_line(reason) or "cancelled"
    if run.state in TERMINAL or run.cancel is not None:
        return Change(entry)
    if run.state == "running":
        return _change(_with(entry, cancel=why), "cancelling", reason=why)
    return _ended(entry, "cancelled", why, now)


def paused(entry: Entry) -> Change:
    """Somebody wants it paused."""
    run = entry.run
    if run.state in TERMINAL:
        raise ConflictError(f"run {run.id}: is {run.state}: only a run that has not ended can be paused")
    if run.state == "paused" or run.pause:
        return Change(entry)
    if run.state == "running":
        return _change(_with(entry, pause=True), "pausing")
    return _change(_with(entry, state="paused", reason=None), "paused")


def resumed(entry: Entry) -> Change:
    """Somebody wants a paused run to go on."""
    run = entry.run
    if run.state == "paused":
        return _change(_with(entry, state="queued", reason=None), "resumed")
    if run.state == "running" and run.pause:
        return _change(_with(entry, pause=False), "resumed")
    raise ConflictError(f"run {run.id}: is {run.state}: only a paused run can be resumed")


def retried(entry: Entry, now: float) -> Change:
    """Somebody wants a run that ended badly to be tried again: as if new, but for what it has recorded."""
    run = entry.run
    if run.state not in {"failed", "cancelled", "parked"}:
        raise ConflictError(
            f"run {run.id}: is {run.state}: only a failed, cancelled or parked run can be retried"
        )
    fresh = _with(
        entry,
        state="queued",
        run_at=now,
        ended_at=None,
        ran_s=0.0,
        attempt=0,
        interruptions=0,
        reason=None,
        metrics={},
    )
    return _change(fresh, "retried")


def claimed(entry: Entry, daemon_id: str, boot: str, ttl_s: float, now: float) -> Change:
    """A daemon takes a due run."""
    run = replace(
        entry.run,
        state="running",
        token=entry.run.token + 1,
        attempt=entry.run.attempt + 1,
        daemon=daemon_id,
        lease_until=now + ttl_s,
        started_at=now if entry.run.started_at is None else entry.run.started_at,
        reason=None,
    )
    leased = replace(entry, run=run, boot=boot, leased_at=now, settled=None)
    return _change(leased, "started", daemon=daemon_id, attempt=run.attempt)


def extended(entry: Entry, daemon_id: str, token: int, ttl_s: float, now: float) -> Entry:
    """A lease is renewed; LeaseLostError when there is nothing to renew."""
    require_lease(entry if entry.run.daemon == daemon_id else None, entry.run.id, token, now)
    return _with(entry, lease_until=now + ttl_s)


def settled(entry: Entry, token: int, settlement: Settlement, now: float) -> Change:
    """The holder ends its lease. No change for the repetition of a settlement that stands.

    What people asked for meanwhile wins over going on: a run handed back is cancelled or paused if it was to
    be, and one that paused goes back into the queue if the pause was taken back.
    """
    run, state = entry.run, settlement.state
    if state == "running":
        raise InputError("settlement: expected the state that a lease ends in, not running")
    if run.token == token and entry.settled == state:
        return Change(entry)
    require_lease(entry, run.id, token, now)
    if state in TERMINAL:
        entry = _with(entry, metrics=dict(settlement.metrics))
        why = settlement.reason if settlement.reason or state != "cancelled" else run.cancel
        return _ended(_released(entry, now, settled=state), state, why, now)
    entry = _with(entry, interruptions=0, attempt=run.attempt - (not settlement.counted))
    if settlement.delay_s:
        entry = _with(entry, run_at=max(run.run_at, now + settlement.delay_s))
    return _back(_released(entry, now, settled=state), settlement.reason, now)


def lapsed(entry: Entry, now: float, max_interruptions: int) -> Change:
    """A lease ends without its holder, which has died or stalled. The attempt is not counted."""
    run = entry.run
    count = run.interruptions + 1
    back = _with(entry, interruptions=count, attempt=max(0, run.attempt - 1))
    back = _released(back, now, settled=None)
    if run.cancel is None and count >= max_interruptions:
        why = f"its daemon died or stalled {count} times in a row while it ran, the last one was {run.daemon}"
        return _ended(back, "parked", why, now)
    return _back(back, f"daemon {run.daemon} died or stalled", now, kind="interrupted")


def progressed(entry: Entry) -> Entry:
    """A stage was recorded: daemons that died before count no more, since another stage runs now."""
    return _with(entry, interruptions=0) if entry.run.interruptions else entry


def stage_stands(there: StageRecord, record: StageRecord) -> bool:
    """Whether what is recorded of a stage stays: unless it failed, and another lease has tried again."""
    return there.status != "failed" or (there.token == record.token and record.status == "failed")


def stage_event(record: StageRecord, body: Any) -> NewEvent:
    """What is told of a recorded stage."""
    facts = {"stage": record.name, "seconds": record.seconds, **(body or {})}
    return NewEvent(record.run_id, f"stage.{record.status}", facts)


def _with(entry: Entry, **changes: Any) -> Entry:
    return replace(entry, run=replace(entry.run, **changes))


def _change(entry: Entry, kind: str, **body: Any) -> Change:
    return Change(entry, (NewEvent(entry.run.id, f"run.{kind}", {"state": entry.run.state, **body}),))


def _released(entry: Entry, now: float, settled: RunState | None) -> Entry:
    """Without its lease; the time under it is added up, but never beyond its end."""
    run = entry.run
    until = now if run.lease_until is None else min(now, run.lease_until)
    spent = 0.0 if entry.leased_at is None else max(0.0, until - entry.leased_at)
    free = replace(run, daemon=None, lease_until=None, ran_s=run.ran_s + spent)
    return replace(entry, run=free, boot=None, leased_at=None, settled=settled)


def _back(entry: Entry, reason: str | None, now: float, *, kind: str = "queued") -> Change:
    """Into the queue, or where people wanted it."""
    run = entry.run
    if run.cancel is not None:
        return _ended(entry, "cancelled", run.cancel, now)
    if run.pause:
        return _change(_with(entry, state="paused", pause=False, reason=one_line(reason)), "paused")
    why = one_line(reason)
    return _change(_with(entry, state="queued", pause=False, reason=why), kind, reason=why)


def _ended(entry: Entry, state: RunState, reason: str | None, now: float) -> Change:
    """For good, unless retried; what people wanted of it is done with."""
    why = one_line(reason)
    ended = _with(entry, state=state, reason=why, ended_at=now, cancel=None, pause=False)
    return _change(ended, state, reason=why)
