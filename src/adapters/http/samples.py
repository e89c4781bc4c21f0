"""Samples of a run, page by page."""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter

from ..runs.pages import SamplePage, SamplesWanted, SampleVerdict
from .openapi import answers
from .parameters import Filter, Limit, RunId
from .services import Served

__all__ = ["HANDLERS"]

Start = Annotated[int, QueryParameter(ge=0, le=2**53, description="Place of the first sample, from 0.")]
Verdict = Annotated[SampleVerdict | None, QueryParameter(description="Of the guards; error: no answer.")]
Score = Annotated[float | None, QueryParameter(description="Of the metric's score.")]


@get(
    "/runs/{run_id:str}/samples",
    responses=answers({200: (SamplePage, "Samples.")}, 404, 422),
    operation_id="list_samples",
)
async def samples(
    services: Served,
    run_id: RunId,
    start: Start = 0,
    limit: Limit = 50,
    system: Filter = None,
    verdict: Verdict = None,
    text: Filter = None,
    metric: Filter = None,
    at_most: Score = None,
    at_least: Score = None,
) -> Response[bytes]:
    """Samples of a run from a place on, those of a run under way as far as they are written."""
    await services.store.run(run_id)
    wanted = SamplesWanted(
        system=system, verdict=verdict, text=text, metric=metric, at_most=at_most, at_least=at_least
    )
    page = await asyncio.to_thread(
        services.samples.page,
        services.runs_folder / run_id,
        wanted,
        start=start,
        limit=min(limit, services.settings.limits.max_page),
    )
    return Response(page, media_type="application/json")


HANDLERS = [samples]
