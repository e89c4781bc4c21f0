"""The daemon as a whole: its queue, the daemons on it, live actors, health, and figures for Prometheus."""

from __future__ import annotations

import asyncio

from litestar import Response, get

from ...messages.api import Health, LiveView
from ...messages.errors import NotFoundError, StoreError
from ...messages.live import ActorView
from ...messages.queue import DaemonRecord, QueueCounts
from .openapi import answers
from .services import Served

__all__ = ["HANDLERS", "TOP_HANDLERS"]

READY_S = 2.0


@get("/queue", responses=answers({}), operation_id="count_queue")
async def queue(services: Served) -> QueueCounts:
    """Runs by state, and how long the oldest due one has waited."""
    return await services.store.counts()


@get("/daemons", responses=answers({}), operation_id="list_daemons")
async def daemons(services: Served) -> list[DaemonRecord]:
    """Daemons that work on this queue, the latest heard of first."""
    return await services.store.daemons()


@get("/live", responses=answers({}), operation_id="look_live")
async def live(services: Served) -> LiveView:
    """What this daemon does now."""
    side = services.live
    return LiveView(status=side.status(), runs=tuple(side.runs().values()), actors=side.actors())


@get("/live/actors", responses=answers({}), operation_id="list_actors")
async def actors(services: Served) -> ActorView:
    """The tree of live actors."""
    return services.live.actors()


@get("/healthz", opt={"public": True}, security=[], include_in_schema=False)
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@get("/readyz", opt={"public": True}, security=[], include_in_schema=False)
async def readyz(services: Served) -> Response[Health]:
    """The store answers too, and the daemon takes runs: not from the signal to stop on."""
    reason = None
    try:
        async with asyncio.timeout(READY_S):
            await services.store.counts()
    except (StoreError, TimeoutError):
        reason = "the store does not answer"
    if services.stopping.is_set():
        reason = "the daemon is stopping"
    elif not services.live.status().get("accepting", True):
        reason = "the daemon takes no runs"
    if reason is None:
        return Response(Health(status="ok"))
    return Response(Health(status="unavailable", reason=reason), status_code=503)


@get("/metrics", include_in_schema=False)
async def metrics(services: Served) -> Response[bytes]:
    """Figures for Prometheus."""
    if services.metrics is None:
        raise NotFoundError("this daemon gives no metrics")
    text, media_type = services.metrics()
    return Response(text, media_type=media_type)


HANDLERS = [queue, daemons, live, actors]
TOP_HANDLERS = [healthz, readyz, metrics]
