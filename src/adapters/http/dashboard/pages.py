"""The fragments of the page, one for each address: HTML that is rendered here and fetched with the token."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from ....messages.errors import InputError
from ....messages.queue import RunFilter
from ...runs.pages import SamplesWanted, SampleVerdict
from ..comparing import MOST_RUNS
from ..parameters import Cursor, Label, RunId, States
from ..services import Served
from ..submission import label_of
from .comparison_page import comparison_context
from .curves import CurveShelf
from .environment import render
from .queue_page import queue_context
from .run_page import run_context
from .sample_page import one_context, samples_context
from .schedule_page import schedules_context
from .timeline import read_timeline

__all__ = ["HANDLERS"]

CURVES = CurveShelf()
Text = Annotated[str | None, QueryParameter(max_length=200)]
Place = Annotated[int, PathParameter(ge=0, le=2**53)]
Start = Annotated[int, QueryParameter(ge=0, le=2**53)]


def _fragment(template: str, **context: Any) -> Response[bytes]:
    return Response(render(template, **context).encode(), media_type="text/html; charset=utf-8")


@get("/view/", include_in_schema=False)
async def queue(
    services: Served,
    states: States = None,
    owner: Text = None,
    text: Text = None,
    label: Label = None,
    cursor: Cursor = None,
) -> Response[bytes]:
    """All runs."""
    where = RunFilter(
        states=tuple(states or ()) or None, owner=owner or None, text=text or None, label=label_of(label)
    )
    context = await queue_context(services, where, cursor=cursor)
    return _fragment("queue.html.j2", **context)


@get("/view/runs/{run_id:str}", include_in_schema=False)
async def run(services: Served, run_id: RunId) -> Response[bytes]:
    """One run."""
    return _fragment("run.html.j2", **await run_context(services, CURVES, run_id))


@get("/view/runs/{run_id:str}/samples", include_in_schema=False)
async def samples(
    services: Served,
    run_id: RunId,
    start: Start = 0,
    system: Text = None,
    verdict: Text = None,
    text: Text = None,
    metric: Text = None,
    at_most: Text = None,
    at_least: Text = None,
) -> Response[bytes]:
    """Samples of a run by filter. A form sends what is left empty, too."""
    wanted = SamplesWanted(
        system=system or None,
        verdict=_verdict(verdict),
        text=text or None,
        metric=metric or None,
        at_most=_bound("to", at_most, metric),
        at_least=_bound("from", at_least, metric),
    )
    return _fragment("samples.html.j2", **await samples_context(services, run_id, wanted, start=start))


@get("/view/runs/{run_id:str}/samples/{place:int}", include_in_schema=False)
async def one_sample(services: Served, run_id: RunId, place: Place) -> Response[bytes]:
    """One sample."""
    return _fragment("sample.html.j2", **await one_context(services, run_id, place))


@get("/view/runs/{run_id:str}/trace", include_in_schema=False)
async def trace(services: Served, run_id: RunId) -> Response[bytes]:
    """The timeline of a run."""
    found = await services.store.run(run_id)
    drawn = await asyncio.to_thread(read_timeline, services.runs_folder / run_id)
    return _fragment("trace.html.j2", run=found, timeline=drawn)


@get("/view/compare", include_in_schema=False)
async def compare(
    services: Served,
    ticked: Annotated[list[str] | None, QueryParameter(name="run", max_items=MOST_RUNS)] = None,
    runs: Annotated[str | None, QueryParameter(max_length=4000, description="As of the API.")] = None,
    different: Annotated[bool, QueryParameter(description="Compare runs on different data, too.")] = False,  # noqa: FBT002
) -> Response[bytes]:
    """Runs side by side: those that were ticked in the list, or those that a link names."""
    named = [name.strip() for name in (runs or "").split(",")]
    chosen = [*(ticked or []), *(name for name in named if name)]
    return _fragment(
        "compare.html.j2", **await comparison_context(services, chosen, different_data=different)
    )


@get("/view/schedules", include_in_schema=False)
async def schedules(services: Served) -> Response[bytes]:
    """What is submitted by the clock."""
    return _fragment("schedules.html.j2", **await schedules_context(services))


@get("/view/actors", include_in_schema=False)
async def actors(services: Served) -> Response[bytes]:
    """The tree of live actors."""
    live = services.live
    return _fragment("actors.html.j2", root=live.actors(), status=live.status())


def _verdict(text: str | None) -> SampleVerdict | None:
    match text:
        case "flagged" | "clean" | "error" | "doubtful":
            return text
        case None | "":
            return None
        case _:
            raise InputError(f"verdict: expected flagged, clean, error or doubtful, got {text!r}")


def _bound(name: str, text: str | None, metric: str | None) -> float | None:
    """A bound of a score. One that would be passed over is refused: the list would show other samples."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise InputError(f"score {name}: expected a number, got {text!r}")
    if not metric:
        raise InputError(f"score {name}: expected the name of a score, too")
    return value


HANDLERS = [queue, run, samples, one_sample, trace, compare, schedules, actors]
