"""The queue in SQL: submitting, what people ask for, leases, daemons.

What becomes of a run is decided in ``transitions``; here it is read under a lock and written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from ...messages.errors import LeaseLostError
from ...messages.queue import (
    DaemonRecord,
    Lease,
    LeaseNews,
    NewRun,
    QueuedRun,
    Settlement,
    Submitted,
)
from . import transitions
from .entries import Change, Entry, NewEvent, check_quota, check_text, holds
from .rows import COLUMNS, entry_of, find, get, insert, update, write
from .steps import Steps, ask, do, hold, now, tell

__all__ = [
    "add",
    "claim",
    "forget",
    "hand_back",
    "heartbeat",
    "prune",
    "register",
    "renew",
    "rescue",
    "settle",
    "submit",
    "turn",
]

MOST_AT_ONCE = 500


def submit(run: NewRun, max_queued: int | None, max_queued_by_owner: int | None) -> Steps[Submitted]:
    """Queue a run, unless it is there."""
    check_text(run)
    yield from hold("submit")
    there = yield from _there(run)
    if there is not None:
        return Submitted(run=there, created=False)
    if max_queued is not None:
        rows = yield from ask("SELECT count(*) FROM run WHERE state = 'queued'")
        check_quota(rows[0][0], max_queued)
    if max_queued_by_owner is not None:
        rows = yield from ask("SELECT count(*) FROM run WHERE state = 'queued' AND owner = ?", run.owner)
        check_quota(rows[0][0], max_queued_by_owner, owner=run.owner)
    added = yield from add(run)
    return Submitted(run=added, created=True)


def _there(run: NewRun) -> Steps[QueuedRun | None]:
    sql = f"SELECT {COLUMNS} FROM run WHERE key = ?"
    rows = (yield from ask(sql, run.key)) if run.key is not None else []
    entry = entry_of(rows[0]) if rows else (yield from find(run.id, lock=""))
    return None if entry is None else transitions.same_submission(entry.run, run)


def add(run: NewRun) -> Steps[QueuedRun]:
    """Insert a submission with its experiment."""
    at = yield from now()
    change = transitions.new_entry(run, at)
    yield from insert(change.entry)
    yield from do("INSERT INTO spec (run_id, body) VALUES (?, ?)", run.id, run.spec)
    yield from tell(change.events, at)
    return change.entry.run


def turn(run_id: str, decide: Callable[[Entry, float], Change]) -> Steps[QueuedRun]:
    """Let a decision be made about a run, and write it."""
    entry = yield from get(run_id)
    at = yield from now()
    run = yield from write(entry, decide(entry, at), at)
    return run


def settle(run_id: str, token: int, settlement: Settlement) -> Steps[QueuedRun]:
    """End a lease."""
    entry = yield from find(run_id)
    if entry is None:
        raise LeaseLostError(f"run {run_id}: is not there any more")
    at = yield from now()
    run = yield from write(entry, transitions.settled(entry, token, settlement, at), at)
    return run


def hand_back(leases: Sequence[Lease]) -> Steps[None]:
    """Undo a claim whose caller has gone, as far as the leases still hold."""
    at = yield from now()
    events: list[NewEvent] = []
    for lease in sorted(leases, key=lambda each: each.run.id):
        entry = yield from find(lease.run.id)
        if entry is not None and holds(entry, lease.token, at):
            back = Settlement(state="queued", counted=False)
            change = transitions.settled(entry, lease.token, back, at)
            yield from update(entry, change.entry)
            events.extend(change.events)
    yield from tell(events, at)


def claim(
    daemon_id: str,
    limit: int,
    ttl_s: float,
    max_running_by_owner: int | None,
    among: Collection[str] | None,
) -> Steps[list[Lease]]:
    """Take due runs."""
    running: Counter[str] = Counter()
    full: set[str] = set()
    if max_running_by_owner is not None:
        yield from hold("claim")
        rows = yield from ask("SELECT owner, count(*) FROM run WHERE state = 'running' GROUP BY owner")
        running.update({row[0]: row[1] for row in rows})
        full = {owner for owner, count in running.items() if count >= max_running_by_owner}
    at = yield from now()
    boots = yield from ask("SELECT boot_id FROM daemon WHERE id = ?", daemon_id)
    boot = boots[0][0] if boots else ""
    leases: list[Lease] = []
    events: list[NewEvent] = []
    while len(leases) < limit:
        due = yield from _due(at, limit - len(leases), full, among)
        if not due:
            break
        for entry in due:
            owner = entry.run.owner
            if max_running_by_owner is not None and running[owner] >= max_running_by_owner:
                full.add(owner)
                continue
            running[owner] += 1
            change = transitions.claimed(entry, daemon_id, boot, ttl_s, at)
            yield from update(entry, change.entry)
            specs = yield from ask("SELECT body FROM spec WHERE run_id = ?", entry.run.id)
            run = change.entry.run
            leases.append(Lease(run=run, spec=bytes(specs[0][0]), token=run.token, ttl_s=ttl_s))
            events.extend(change.events)
    yield from tell(events, at)
    return leases


def _due(at: float, limit: int, full: set[str], among: Collection[str] | None) -> Steps[list[Entry]]:
    """Due runs in the order of ``entries.is_due`` and priority; none of owners who have their fill."""
    others = f" AND owner NOT IN ({', '.join('?' * len(full))})" if full else ""
    if among is not None:
        others += f" AND id IN ({', '.join('?' * len(among)) or 'NULL'})"
    rows = yield from ask(
        f"SELECT {COLUMNS} FROM run WHERE state = 'queued'"
        f" AND (run_at <= ? OR run_at <= submitted_at){others}"
        " ORDER BY priority DESC, run_at, seq LIMIT ?",
        at,
        *sorted(full),
        *sorted(among or ()),
        limit,
        lock=" FOR UPDATE SKIP LOCKED",
    )
    return [entry_of(row) for row in rows]


def renew(daemon_id: str, leases: Mapping[str, int], ttl_s: float) -> Steps[list[LeaseNews]]:
    """Extend leases."""
    ids, entries = sorted(leases), dict[str, Entry]()
    for start in range(0, len(ids), MOST_AT_ONCE):
        part = ids[start : start + MOST_AT_ONCE]
        sql = f"SELECT {COLUMNS} FROM run WHERE id IN ({', '.join('?' * len(part))}) ORDER BY id"
        rows = yield from ask(sql, *part, lock=" FOR UPDATE")
        entries.update((entry.run.id, entry) for entry in map(entry_of, rows))
    at = yield from now()
    news = []
    for run_id, token in leases.items():
        entry = entries.get(run_id)
        try:
            if entry is None:
                raise LeaseLostError(run_id)
            yield from update(entry, transitions.extended(entry, daemon_id, token, ttl_s, at))
            news.append(LeaseNews(run_id=run_id, held=True, cancel=entry.run.cancel, pause=entry.run.pause))
        except LeaseLostError:
            news.append(LeaseNews(run_id=run_id, held=False))
    return news


def rescue(max_interruptions: int) -> Steps[list[QueuedRun]]:
    """Give back runs whose lease has run out."""
    at = yield from now()
    sql = f"SELECT {COLUMNS} FROM run WHERE state = 'running' AND lease_until <= ? ORDER BY seq"
    rows = yield from ask(sql, at, lock=" FOR UPDATE SKIP LOCKED")
    runs = yield from _lapse([entry_of(row) for row in rows], max_interruptions)
    return runs


def _lapse(entries: Sequence[Entry], max_interruptions: int) -> Steps[list[QueuedRun]]:
    at = yield from now()
    changes = [(entry, transitions.lapsed(entry, at, max_interruptions)) for entry in entries]
    for entry, change in changes:
        yield from update(entry, change.entry)
    yield from tell([event for _, change in changes for event in change.events], at)
    return [change.entry.run for _, change in changes]


def register(daemon: DaemonRecord, max_interruptions: int) -> Steps[list[QueuedRun]]:
    """A daemon has started."""
    at = yield from now()
    yield from do(
        "INSERT INTO daemon (id, boot_id, host, pid, started_at, heartbeat_at, capacity)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid,"
        " started_at = CASE WHEN daemon.boot_id = excluded.boot_id THEN daemon.started_at"
        " ELSE excluded.started_at END, heartbeat_at = excluded.heartbeat_at,"
        " capacity = excluded.capacity, boot_id = excluded.boot_id",
        daemon.id,
        daemon.boot_id,
        daemon.host,
        daemon.pid,
        at,
        at,
        daemon.capacity,
    )
    sql = f"SELECT {COLUMNS} FROM run WHERE state = 'running' AND daemon = ? AND boot <> ? ORDER BY id"
    rows = yield from ask(sql, daemon.id, daemon.boot_id, lock=" FOR UPDATE")
    runs = yield from _lapse([entry_of(row) for row in rows], max_interruptions)
    return runs


def heartbeat(daemon_id: str, boot_id: str) -> Steps[bool]:
    """A daemon is alive."""
    at = yield from now()
    sql = "UPDATE daemon SET heartbeat_at = ? WHERE id = ? AND boot_id = ?"
    count = yield from do(sql, at, daemon_id, boot_id)
    return count == 1


def forget(daemon_id: str, boot_id: str) -> Steps[None]:
    """A daemon has stopped."""
    yield from do("DELETE FROM daemon WHERE id = ? AND boot_id = ?", daemon_id, boot_id)


def prune(ended_before_s: float, limit: int) -> Steps[list[str]]:
    """Forget runs that ended long ago; what they recorded goes with them."""
    at = yield from now()
    sql = "SELECT id FROM run WHERE ended_at < ? ORDER BY ended_at, id LIMIT ?"
    rows = yield from ask(sql, at - ended_before_s, limit, lock=" FOR UPDATE SKIP LOCKED")
    for row in rows:
        yield from do("DELETE FROM run WHERE id = ?", row[0])
    return [row[0] for row in rows]
