"""The queue: how many runs are in which state, and a page of them, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ....actors.daemon.decisions import headline_figures, headline_verdict
from ....messages.live import LiveRun
from ....messages.queue import QueuedRun, RunFilter, RunState
from ..services import Services
from ..specs import Difference, Facts, differences

__all__ = ["queue_context"]

PAGE = 50
MOST_FIGURES = 2
MOST_APART = 4
STATES: tuple[RunState, ...] = get_args(RunState)


@dataclass(frozen=True)
class Row:
    """A run in the list."""

    run: QueuedRun
    stage: str
    """What it is doing, as far as this daemon knows."""
    done: int | None
    total: int | None
    seconds: float | None
    figures: Sequence[tuple[str, float]]
    """Of a completed run, what is compared first."""
    verdict: str
    """How its model stands to the baselines in that."""
    facts: Facts | None
    """Of its experiment."""
    apart: Sequence[Difference]
    """Values that tell it from the other runs of its experiment in the list."""
    apart_left_out: int


def row(
    run: QueuedRun, live: LiveRun | None, now: float, facts: Facts | None, apart: Sequence[Difference]
) -> Row:
    """What the list shows of a run."""
    stage, done, total = "", None, None
    if live is not None:
        working = [each for each in live.stages if each.state == "running"]
        if working:  # the one that knows how far it is; they wait for each other, so the last says less
            current = next((each for each in working if each.total), working[-1])
            stage = " ".join(part for part in (current.name, current.phase) if part)
            done, total = current.done, current.total
    seconds = run.ran_s
    if run.state == "running" and run.started_at is not None and run.attempt <= 1:
        seconds = now - run.started_at
    return Row(
        run=run,
        stage=stage,
        done=done,
        total=total,
        seconds=seconds or None,
        figures=headline_figures(run.metrics, MOST_FIGURES),
        verdict=headline_verdict(run.metrics),
        facts=facts,
        apart=apart[:MOST_APART],
        apart_left_out=max(0, len(apart) - MOST_APART),
    )


async def queue_context(services: Services, where: RunFilter, *, cursor: str | None) -> dict[str, Any]:
    """All that the template needs."""
    latest = await services.store.latest_event()  # before the list is read: what comes later is told
    page = await services.store.runs(where, cursor=cursor, limit=PAGE)
    counts = await services.store.counts()
    facts = await services.specs.of(services.store, page.runs)
    apart = differences(page.runs, facts)
    live, now = services.live.runs(), services.now()
    return {
        "rows": [
            row(run, live.get(run.id), now, facts.get(run.spec_hash), apart.get(run.id, ()))
            for run in page.runs
        ],
        "latest": latest,
        "cursor": page.cursor,
        "first": cursor is None,
        "counts": [(state, counts.by_state.get(state, 0)) for state in STATES],
        "oldest_due_s": counts.oldest_due_s,
        "states": set(where.states or ()),
        "owner": where.owner or "",
        "text": where.text or "",
        "label": ":".join(where.label or ()),
        "filtered": where != RunFilter(),
        "now": now,
    }
