"""Schedules in SQL."""

from __future__ import annotations

from ...messages.errors import ConflictError, NotFoundError
from ...messages.queue import NewSchedule, QueuedRun, Schedule
from .entries import check_text
from .queue_operations import add
from .rows import find, get
from .schedules import StoredSchedule, run_of, view
from .steps import Lock, Row, Steps, as_text, ask, do, hold, json_object, now

__all__ = [
    "drop_schedule",
    "due_schedules",
    "fire",
    "pause_schedule",
    "put_schedule",
    "resume_schedule",
    "schedules",
]

_GIVEN = (
    "id",
    "cron",
    "experiment_id",
    "spec",
    "spec_hash",
    "base",
    "owner",
    "priority",
    "max_attempts",
    "deadline_s",
    "labels",
    "next_at",
)
_COLUMNS = ", ".join((*_GIVEN, "last_run_id", "enabled"))


def _stored(row: Row) -> StoredSchedule:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    last, enabled = values.pop("last_run_id"), bool(values.pop("enabled"))
    values["labels"], values["spec"] = json_object(values["labels"]), bytes(values["spec"])
    return StoredSchedule(NewSchedule(**values), values["next_at"], last, enabled)


def _find(schedule_id: str, lock: Lock = "") -> Steps[StoredSchedule]:
    rows = yield from ask(f"SELECT {_COLUMNS} FROM schedule WHERE id = ?", schedule_id, lock=lock)
    if not rows:
        raise NotFoundError(f"there is no schedule {schedule_id!r}")
    return _stored(rows[0])


def put_schedule(schedule: NewSchedule) -> Steps[Schedule]:
    """Create or replace; what it submitted last stays known."""
    check_text(schedule)
    values = [getattr(schedule, name) for name in _GIVEN]
    values[_GIVEN.index("labels")] = as_text(schedule.labels)
    news = ", ".join(f"{name} = excluded.{name}" for name in (*_GIVEN[1:], "enabled"))
    yield from do(
        f"INSERT INTO schedule ({', '.join(_GIVEN)}, enabled) VALUES ({', '.join('?' * len(_GIVEN))}, 1)"
        f" ON CONFLICT (id) DO UPDATE SET {news}",
        *values,
    )
    stored = yield from _find(schedule.id)
    return view(stored)


def _all(condition: str, *args: object) -> Steps[list[Schedule]]:
    rows = yield from ask(f"SELECT {_COLUMNS} FROM schedule WHERE {condition}", *args)
    return sorted((view(_stored(row)) for row in rows), key=lambda each: each.id)


def schedules() -> Steps[list[Schedule]]:
    """By id."""
    found = yield from _all("1 = 1")
    return found


def due_schedules() -> Steps[list[tuple[Schedule, float]]]:
    """Those whose time has come."""
    at = yield from now()
    found = yield from _all("enabled = 1 AND next_at <= ?", at)
    return [(schedule, at) for schedule in found]


def pause_schedule(schedule_id: str) -> Steps[Schedule]:
    """Not due until it is resumed."""
    yield from do("UPDATE schedule SET enabled = 0 WHERE id = ?", schedule_id)
    stored = yield from _find(schedule_id)
    return view(stored)


def resume_schedule(schedule_id: str, next_at: float) -> Steps[Schedule]:
    """Go on, if it is paused."""
    sql = "UPDATE schedule SET enabled = 1, next_at = ? WHERE id = ? AND enabled = 0"
    yield from do(sql, next_at, schedule_id)
    stored = yield from _find(schedule_id)
    return view(stored)


def drop_schedule(schedule_id: str) -> Steps[None]:
    """Delete."""
    if not (yield from do("DELETE FROM schedule WHERE id = ?", schedule_id)):
        raise NotFoundError(f"there is no schedule {schedule_id!r}")


def fire(schedule_id: str, due_at: float, next_at: float, run_id: str) -> Steps[QueuedRun | None]:
    """Submit a schedule's run, if nobody has."""
    yield from hold("submit")
    stored = yield from _find(schedule_id, " FOR UPDATE")
    there = yield from find(run_id, lock="")
    if stored.last_run_id == run_id and there is not None:
        return there.run
    still = "id = ? AND next_at = ? AND enabled = 1"
    sql = f"UPDATE schedule SET next_at = ?, last_run_id = ? WHERE {still}"
    if not (yield from do(sql, next_at, run_id, schedule_id, due_at)):
        return None
    if there is not None:
        raise ConflictError(f"run {run_id}: the id is taken by another run")
    yield from add(run_of(stored.new, run_id))
    entry = yield from get(run_id, lock="")
    return entry.run
