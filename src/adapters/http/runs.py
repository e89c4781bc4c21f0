"""Runs: submit, list, look at one, and ask for its end, a pause or another try."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException

from ...messages.api import Reason, StageView
from ...messages.decoding import decode_struct
from ...messages.errors import ExperimentError, InputError, NotFoundError
from ...messages.live import LiveRun
from ...messages.queue import NewRun, QueuedRun, RunFilter, RunPage
from .openapi import ExperimentBody, OptionalReason, answers
from .parameters import (
    Attempts,
    Base,
    Cursor,
    Deadline,
    Filter,
    Key,
    Label,
    Labels,
    Limit,
    Owner,
    Priority,
    RunAt,
    RunId,
    States,
    epoch,
)
from .services import Served
from .submission import label_of, labels_of, read_submission

__all__ = ["HANDLERS"]

SUBMITTED = answers(
    {201: (QueuedRun, "Queued."), 200: (QueuedRun, "The run that this key was used for.")},
    400, 409, 413, 415, 422, 429,
)  # fmt: skip


@post("/runs", operation_class=ExperimentBody, responses=SUBMITTED, operation_id="submit_run")
async def submit(
    request: Request[Any, Any, Any],
    services: Served,
    key: Key = None,
    owner: Owner = "local",
    priority: Priority = 0,
    run_at: RunAt = None,
    deadline_s: Deadline = None,
    max_attempts: Attempts = 3,
    labels: Labels = None,
    base: Base = None,
) -> Response[QueuedRun]:
    """Queue an experiment. Every problem with it is told at once, and nothing is spent before."""
    limits = services.settings.limits
    submission = await read_submission(request, services.settings, base)
    run = NewRun(
        id=_new_id(submission.experiment.id),
        experiment_id=submission.experiment.id,
        spec=submission.spec,
        spec_hash=submission.spec_hash,
        base=submission.base,
        key=key,
        owner=owner,
        priority=priority,
        run_at=epoch(run_at, "run_at"),
        deadline_s=deadline_s,
        max_attempts=max_attempts,
        labels=labels_of(labels),
    )
    submitted = await services.store.submit(
        run, max_queued=limits.max_queued, max_queued_by_owner=limits.max_queued_by_owner
    )
    services.live.wake()
    return Response(
        submitted.run,
        status_code=201 if submitted.created else 200,
        headers={"location": f"/api/v1/runs/{submitted.run.id}"},
    )


def _new_id(experiment_id: str) -> str:
    """As the engine's, with more digits: a hundred may come in a second."""
    return f"{experiment_id}-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


@get("/runs", responses=answers({}, 422), operation_id="list_runs")
async def list_runs(
    services: Served,
    states: States = None,
    owner: Filter = None,
    experiment: Filter = None,
    text: Filter = None,
    label: Label = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RunPage:
    """Runs, newest first, by pages."""
    where = RunFilter(
        states=tuple(states) if states else None,
        owner=owner,
        experiment_id=experiment,
        text=text,
        label=label_of(label),
    )
    limit = min(limit, services.settings.limits.max_page)
    return await services.store.runs(where, cursor=cursor, limit=limit)


@get("/runs/{run_id:str}", responses=answers({}, 404), operation_id="get_run")
async def run(services: Served, run_id: RunId) -> QueuedRun:
    """One run."""
    return await services.store.run(run_id)


@get("/runs/{run_id:str}/spec", responses=answers({200: (dict[str, Any], "The experiment.")}, 404))
async def spec(services: Served, run_id: RunId) -> Response[bytes]:
    """The experiment of a run, as it was queued."""
    return Response(await services.store.spec(run_id), media_type="application/json")


@get("/runs/{run_id:str}/stages", responses=answers({}, 404))
async def stages(services: Served, run_id: RunId) -> list[StageView]:
    """What is recorded of the stages of a run."""
    await services.store.run(run_id)
    return [StageView.of(record) for record in await services.store.stages(run_id)]


@get("/runs/{run_id:str}/live", responses=answers({}, 404))
async def live(services: Served, run_id: RunId) -> LiveRun:
    """How far a run is that is under way in this daemon."""
    found = services.live.runs().get(run_id)
    if found is None:
        raise NotFoundError(f"run {run_id} is not under way in this daemon")
    return found


@post(
    "/runs/{run_id:str}/cancel",
    status_code=200,
    operation_class=OptionalReason,
    responses=answers({}, 400, 404, 413, 422),
)
async def cancel(request: Request[Any, Any, Any], services: Served, run_id: RunId) -> QueuedRun:
    """Cancel a run: at once while it waits, else its daemon ends it. What has ended stays as it is."""
    cancelled = await services.store.cancel(run_id, await _reason(request))
    services.live.wake()
    return cancelled


async def _reason(request: Request[Any, Any, Any]) -> str:
    body = await request.body()
    if not body.strip():
        return Reason().reason
    try:
        data = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HTTPException(status_code=400, detail='expected JSON such as {"reason": "..."}') from None
    try:
        reason = decode_struct(data, Reason).reason
    except ExperimentError as error:  # it is of no experiment
        raise InputError(str(error)) from None
    return " ".join(reason.split()) or Reason().reason


@post("/runs/{run_id:str}/pause", status_code=200, responses=answers({}, 404, 409))
async def pause(services: Served, run_id: RunId) -> QueuedRun:
    """Pause a run: at once while it waits, else its daemon hands it back."""
    paused = await services.store.pause(run_id)
    services.live.wake()
    return paused


@post("/runs/{run_id:str}/resume", status_code=200, responses=answers({}, 404, 409))
async def resume(services: Served, run_id: RunId) -> QueuedRun:
    """Put a paused run back into the queue. Stages that are recorded are not run again."""
    resumed = await services.store.resume(run_id)
    services.live.wake()
    return resumed


@post("/runs/{run_id:str}/retry", status_code=200, responses=answers({}, 404, 409))
async def retry(services: Served, run_id: RunId) -> QueuedRun:
    """Queue a failed, cancelled or parked run again. Stages that are recorded are not run again."""
    retried = await services.store.retry(run_id)
    services.live.wake()
    return retried


HANDLERS = [submit, list_runs, run, spec, stages, live, cancel, pause, resume, retry]
