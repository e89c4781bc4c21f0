"""``crucible schedule``: experiments that a daemon submits again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .daemon import Data, Json, Url, connect, one_line, print_json, told_utc
from .submit import labels_of

__all__ = ["add", "drop", "list_all", "pause", "resume"]


def add(
    name: str,
    cron: str,
    file: Path,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    owner: str | None = None,
    priority: int | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    label: Annotated[list[str] | None, Parameter(negative="")] = None,
    url: Url = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Submit an experiment file again and again. Replaces the schedule of that name.

    Args:
        name: Of the schedule: letters, digits, '_', '.', '-'.
        cron: When, in UTC: minute, hour, day, month, weekday; for example '0 3 * * *'.
        file: Experiment file. The schedule keeps what it says now.
        set_: Override a value, as for run; may be repeated.
        owner: Who the runs belong to.
        priority: Of the runs; from -1000 to 1000, default 0.
        deadline: Seconds that all attempts of a run together may take.
        attempts: Attempts of a run before it has failed; default 3.
        label: NAME=VALUE of the runs; may be repeated.
    """
    from .experiment_input import open_experiment

    with (
        connect(url, data) as client,
        open_experiment(file, set_ or [], here=client.address.is_local) as experiment,
    ):
        made = client.put_schedule(
            name,
            cron,
            experiment,
            base=str(file.resolve().parent) if client.address.is_local else None,
            owner=owner,
            priority=priority,
            deadline_s=deadline,
            max_attempts=attempts,
            labels=labels_of(label or []),
        )
    if json:
        print_json(made)
    else:
        print(f"{made.id}: {made.experiment_id} next at {told_utc(made.next_at)}")
    return 0


def list_all(*, url: Url = None, data: Data = None, json: Json = False) -> int:
    """List the schedules."""
    with connect(url, data) as client:
        found = client.schedules()
    if json:
        print_json(found)
        return 0
    for each in found:
        last = f", last run {each.last_run_id}" if each.last_run_id else ""
        due = f"next {told_utc(each.next_at)}" if each.enabled else "paused"
        print(one_line(f"{each.id}: {each.cron}, {each.experiment_id}, {due}{last}"))
    return 0


def pause(name: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Submit nothing until the schedule is resumed.

    Args:
        name: Of the schedule.
    """
    with connect(url, data) as client:
        paused = client.pause_schedule(name)
    if json:
        print_json(paused)
    else:
        print(f"{name}: paused")
    return 0


def resume(name: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Go on with the next time that comes; those that have passed are not made up for.

    Args:
        name: Of the schedule.
    """
    with connect(url, data) as client:
        resumed = client.resume_schedule(name)
    if json:
        print_json(resumed)
    else:
        print(f"{name}: {resumed.experiment_id} next at {told_utc(resumed.next_at)}")
    return 0


def drop(name: str, /, *, url: Url = None, data: Data = None) -> int:
    """Delete a schedule; the runs that it has submitted stay.

    Args:
        name: Of the schedule.
    """
    with connect(url, data) as client:
        client.drop_schedule(name)
    print(f"{name}: dropped")
    return 0
