"""Schedules as a store keeps them, and the run that one submits."""

from __future__ import annotations

import msgspec

from ...messages.queue import NewRun, NewSchedule, Schedule

__all__ = ["StoredSchedule", "run_of", "view"]


class StoredSchedule(msgspec.Struct, frozen=True):
    """A schedule with what has become of it."""

    new: NewSchedule
    next_at: float
    last_run_id: str | None = None
    enabled: bool = True


def view(stored: StoredSchedule) -> Schedule:
    """Without its spec, as lists show it."""
    new = stored.new
    return Schedule(
        id=new.id,
        cron=new.cron,
        experiment_id=new.experiment_id,
        owner=new.owner,
        priority=new.priority,
        next_at=stored.next_at,
        last_run_id=stored.last_run_id,
        enabled=stored.enabled,
    )


def run_of(new: NewSchedule, run_id: str) -> NewRun:
    """The submission of a schedule whose time has come."""
    return NewRun(
        id=run_id,
        experiment_id=new.experiment_id,
        spec=new.spec,
        spec_hash=new.spec_hash,
        base=new.base,
        owner=new.owner,
        priority=new.priority,
        deadline_s=new.deadline_s,
        max_attempts=new.max_attempts,
        labels=dict(new.labels),
        schedule_id=new.id,
    )
