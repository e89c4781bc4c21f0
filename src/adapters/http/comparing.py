"""Runs against each other: what ``crucible compare`` says, over HTTP.

It is computed for each request, in a thread with a loop of its own, one at a time; what it writes is thrown
away. A run is named by its id, with ``:SYSTEM`` for one of its baselines; names never become paths.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from ...comparison.options import Comparing, RunComparison
from ...messages.api import RUN_ID
from ...messages.errors import InputError, OverloadedError
from ...messages.queue import QueuedRun
from .openapi import answers
from .services import Served, Services

__all__ = ["HANDLERS", "MOST_RUNS", "compared"]

WAIT_S = 20.0
MOST_RUNS = 16
_NAME = re.compile(RUN_ID)

Names = Annotated[
    str,
    QueryParameter(min_length=3, max_length=4000, description="Ids, with commas; ID:SYSTEM for a baseline."),
]
Metrics = Annotated[
    list[str] | None, QueryParameter(name="metric", max_items=50, description="Only this one; repeat.")
]
Correction = Annotated[
    Literal["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"] | None,
    QueryParameter(description="Over all comparisons; default: that of the first run."),
]
Alpha = Annotated[float | None, QueryParameter(gt=0, lt=1, description="Default: that of the first run.")]
Flag = Annotated[bool, QueryParameter(description="As of `crucible compare`.")]


@get("/compare", responses=answers({}, 404, 422), operation_id="compare_runs")
async def compare(
    services: Served,
    runs: Names,
    metrics: Metrics = None,
    alpha: Alpha = None,
    correction: Correction = None,
    different_data: Flag = False,  # noqa: FBT002 - by name, from the query
    include_raced: Flag = False,  # noqa: FBT002
) -> RunComparison:
    """Compare the first run with each of the others: means, paired tests with correction."""
    names = [name.strip() for name in runs.split(",")]
    options = Comparing(
        metrics=tuple(metrics or ()),
        different_data=different_data,
        include_raced=include_raced,
        alpha=alpha,
        correction=correction,
        formats=("json",),
    )
    return await compared(services, names, options)


async def compared(services: Services, names: Sequence[str], options: Comparing) -> RunComparison:
    """Compare runs by their ids. Raises InputError, and NotFoundError for a run that is not there."""
    if not 2 <= len(names) <= MOST_RUNS:
        raise InputError(f"runs: expected 2 to {MOST_RUNS} ids with commas between")
    runs = []
    for name in names:
        run_id = name.partition(":")[0]
        if _NAME.fullmatch(run_id) is None or "=" in name:
            raise InputError("runs: expected ids of runs, such as ID or ID:SYSTEM")
        runs.append(await services.store.run(run_id))
    async with contextlib.AsyncExitStack() as held:
        try:
            async with asyncio.timeout(WAIT_S):
                await held.enter_async_context(services.comparing)
        except TimeoutError:
            raise OverloadedError("another comparison is under way: ask again later") from None
        try:
            return await asyncio.to_thread(_compared, names, options, services.runs_folder)
        except InputError as error:
            raise InputError(_why_not(runs) or _by_ids(str(error), services.runs_folder)) from None


def _why_not(runs: Sequence[QueuedRun]) -> str:
    """The runs that have nothing to compare yet, if that is why."""
    states = {run.id: run.state for run in runs if run.state != "completed"}
    told = ", ".join(f"{run_id} is {state}" for run_id, state in states.items())
    return f"{told}: only runs that completed can be compared" if told else ""


def _by_ids(text: str, folder: Path) -> str:
    """Runs by their ids, as they were asked for, instead of by their folders."""
    return text.replace(f"{folder.resolve()}{os.sep}", "")


def _compared(names: Sequence[str], options: Comparing, folder: Path) -> RunComparison:
    from ...comparison import compare as compare_runs

    with tempfile.TemporaryDirectory(prefix="crucible-compare-") as nowhere:
        # As paths below the folder, so that nothing in the working folder is taken for a run.
        places = [str(folder.resolve() / name) for name in names]
        found = asyncio.run(compare_runs(places, options, out=Path(nowhere), runs=folder))
        return msgspec.structs.replace(found, folder="")


HANDLERS = [compare]
