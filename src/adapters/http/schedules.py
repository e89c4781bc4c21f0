"""Schedules: an experiment that is submitted again and again."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, post, put
from litestar.params import QueryParameter

from ...actors.daemon.cron import next_time
from ...messages.errors import NotFoundError
from ...messages.queue import NewSchedule, Schedule
from .openapi import ExperimentBody, answers
from .parameters import Attempts, Base, Deadline, Labels, Owner, Priority, ScheduleId
from .services import Served, Services
from .submission import labels_of, read_submission

__all__ = ["HANDLERS"]

Cron = Annotated[
    str, QueryParameter(min_length=1, max_length=200, description="Five fields in UTC, such as 0 3 * * *.")
]


@put(
    "/schedules/{schedule_id:str}",
    operation_class=ExperimentBody,
    responses=answers({}, 400, 413, 415, 422),
    operation_id="put_schedule",
)
async def put_schedule(
    request: Request[Any, Any, Any],
    services: Served,
    schedule_id: ScheduleId,
    cron: Cron,
    owner: Owner = "local",
    priority: Priority = 0,
    deadline_s: Deadline = None,
    max_attempts: Attempts = 3,
    labels: Labels = None,
    base: Base = None,
) -> Schedule:
    """Create a schedule, or replace it. The experiment is checked as when it is submitted."""
    next_at = next_time(cron, services.now())
    submission = await read_submission(request, services.settings, base)
    schedule = NewSchedule(
        id=schedule_id,
        cron=cron,
        experiment_id=submission.experiment.id,
        spec=submission.spec,
        spec_hash=submission.spec_hash,
        base=submission.base,
        owner=owner,
        priority=priority,
        max_attempts=max_attempts,
        deadline_s=deadline_s,
        next_at=next_at,
        labels=labels_of(labels),
    )
    stored = await services.store.put_schedule(schedule)
    services.live.wake()
    return stored


@get("/schedules", responses=answers({}), operation_id="list_schedules")
async def list_schedules(services: Served) -> list[Schedule]:
    """All schedules, by id."""
    return await services.store.schedules()


@get("/schedules/{schedule_id:str}", responses=answers({}, 404), operation_id="get_schedule")
async def get_schedule(services: Served, schedule_id: ScheduleId) -> Schedule:
    """One schedule."""
    return await _find(services, schedule_id)


@post(
    "/schedules/{schedule_id:str}/pause",
    status_code=200,
    responses=answers({}, 404),
    operation_id="pause_schedule",
)
async def pause_schedule(services: Served, schedule_id: ScheduleId) -> Schedule:
    """Submit nothing until it is resumed."""
    return await services.store.pause_schedule(schedule_id)


@post(
    "/schedules/{schedule_id:str}/resume",
    status_code=200,
    responses=answers({}, 404),
    operation_id="resume_schedule",
)
async def resume_schedule(services: Served, schedule_id: ScheduleId) -> Schedule:
    """Go on with the next time that comes; those that have passed are not made up for."""
    found = await _find(services, schedule_id)
    next_at = next_time(found.cron, services.now())
    resumed = await services.store.resume_schedule(schedule_id, next_at=next_at)
    services.live.wake()
    return resumed


@delete("/schedules/{schedule_id:str}", responses=answers({}, 404), operation_id="drop_schedule")
async def drop_schedule(services: Served, schedule_id: ScheduleId) -> None:
    """Delete a schedule. Runs that it has submitted stay."""
    await services.store.drop_schedule(schedule_id)


async def _find(services: Services, schedule_id: str) -> Schedule:
    for schedule in await services.store.schedules():
        if schedule.id == schedule_id:
            return schedule
    raise NotFoundError(f"there is no schedule {schedule_id}")


HANDLERS = [
    put_schedule,
    list_schedules,
    get_schedule,
    pause_schedule,
    resume_schedule,
    drop_schedule,
]
