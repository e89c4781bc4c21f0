"""Reading the queue in SQL. Nothing here locks or writes."""

from __future__ import annotations

from typing import Any

from ...messages.errors import NotFoundError
from ...messages.queue import (
    DaemonRecord,
    QueueCounts,
    RunFilter,
    RunPage,
    StageRecord,
    StoredArtifact,
    StoredEvent,
    StoredSession,
)
from .entries import after_cursor, to_cursor
from .record_operations import STAGE_COLUMNS, stage_of
from .rows import COLUMNS, entry_of
from .steps import Steps, as_text, ask, json_object, now

__all__ = ["artifacts", "counts", "daemons", "events", "runs", "session", "spec", "stages"]

DAEMON_COLUMNS = "id, boot_id, host, pid, started_at, heartbeat_at, capacity"
ARTIFACT_COLUMNS = "run_id, name, media_type, bytes, sha256"
SESSION_COLUMNS = "run_id, backend, remote_id, last_step, checkpoint"


def spec(run_id: str) -> Steps[bytes]:
    """The experiment of a run."""
    rows = yield from ask("SELECT body FROM spec WHERE run_id = ?", run_id)
    if not rows:
        raise NotFoundError(f"there is no run {run_id!r}")
    return bytes(rows[0][0])


def runs(where: RunFilter, cursor: str | None, limit: int) -> Steps[RunPage]:
    """A page of runs, the newest first; one more than asked for tells whether there is a next page."""
    conditions, args = _conditions(where)
    conditions.insert(0, "seq < ?")
    sql = f"SELECT {COLUMNS} FROM run WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?"
    rows = yield from ask(sql, after_cursor(cursor), *args, limit + 1)
    page = [entry_of(row) for row in rows[:limit]]
    more = to_cursor(page[-1].seq) if len(rows) > limit and page else None
    return RunPage(runs=tuple(entry.run for entry in page), cursor=more)


def _conditions(where: RunFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    args: list[Any] = []
    if where.states is not None:
        marks = ", ".join("?" * len(where.states))
        conditions.append(f"state IN ({marks})" if marks else "1 = 0")
        args += where.states
    for name in ("owner", "experiment_id"):
        value = getattr(where, name)
        if value is not None:
            conditions.append(f"{name} = ?")
            args.append(value)
    if where.text is not None:
        text = where.text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.append("(lower(id) LIKE ? ESCAPE '\\' OR lower(experiment_id) LIKE ? ESCAPE '\\')")
        args += [f"%{text}%"] * 2
    if where.label is not None:  # a pair of the JSON object, whole: it begins there, or after another one
        pair = as_text(dict([where.label]))[1:-1]
        conditions.append("(replace(labels, ?, '') <> labels OR replace(labels, ?, '') <> labels)")
        args += [f"{{{pair}", f",{pair}"]
    return conditions, args


def counts() -> Steps[QueueCounts]:
    """Runs by state."""
    rows = yield from ask("SELECT state, count(*) FROM run GROUP BY state")
    at = yield from now()
    sql = "SELECT min(run_at) FROM run WHERE state = 'queued' AND (run_at <= ? OR run_at <= submitted_at)"
    oldest = yield from ask(sql, at)
    since = oldest[0][0]
    return QueueCounts(
        by_state={row[0]: row[1] for row in rows},
        oldest_due_s=None if since is None else max(0.0, at - since),
    )


def stages(run_id: str) -> Steps[list[StageRecord]]:
    """In order of recording."""
    rows = yield from ask(f"SELECT {STAGE_COLUMNS} FROM stage WHERE run_id = ? ORDER BY seq", run_id)
    return [stage_of(row) for row in rows]


def events(after: int, run_id: str | None, limit: int) -> Steps[list[StoredEvent]]:
    """Later ones, the oldest first."""
    where, args = ("seq > ?", [after]) if run_id is None else ("run_id = ? AND seq > ?", [run_id, after])
    sql = f"SELECT seq, run_id, at, kind, body FROM event WHERE {where} ORDER BY seq LIMIT ?"
    rows = yield from ask(sql, *args, limit)
    return [
        StoredEvent(seq=row[0], run_id=row[1], at=row[2], kind=row[3], body=json_object(row[4]))
        for row in rows
    ]


def latest_event() -> Steps[int]:
    """Number of the latest one; 0 without any."""
    rows = yield from ask("SELECT COALESCE(MAX(seq), 0) FROM event")
    return int(rows[0][0])


def artifacts(run_id: str) -> Steps[list[StoredArtifact]]:
    """By name."""
    rows = yield from ask(f"SELECT {ARTIFACT_COLUMNS} FROM artifact WHERE run_id = ?", run_id)
    found = [StoredArtifact(**dict(zip(ARTIFACT_COLUMNS.split(", "), row, strict=True))) for row in rows]
    return sorted(found, key=lambda each: each.name)


def session(run_id: str) -> Steps[StoredSession | None]:
    """Where a training stands."""
    rows = yield from ask(f"SELECT {SESSION_COLUMNS} FROM session WHERE run_id = ?", run_id)
    return StoredSession(**dict(zip(SESSION_COLUMNS.split(", "), rows[0], strict=True))) if rows else None


def daemons() -> Steps[list[DaemonRecord]]:
    """The latest heard of first."""
    rows = yield from ask(f"SELECT {DAEMON_COLUMNS} FROM daemon")
    found = [DaemonRecord(**dict(zip(DAEMON_COLUMNS.split(", "), row, strict=True))) for row in rows]
    return sorted(found, key=lambda each: (-each.heartbeat_at, each.id))
