"""The schedules: when each submits next, and what became of the run that it submitted last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ....messages.errors import NotFoundError
from ....messages.queue import QueuedRun, Schedule
from ..services import Services

__all__ = ["schedules_context"]

SHOWN = 200


@dataclass(frozen=True)
class Planned:
    """A schedule in the list."""

    schedule: Schedule
    last: QueuedRun | None
    """None when it has submitted none, or when that one was forgotten since."""


async def schedules_context(services: Services) -> dict[str, Any]:
    """All that the template needs: those that are due next come first, paused ones last."""
    latest = await services.store.latest_event()  # before the list is read: what comes later is told
    found = await services.store.schedules()
    found.sort(key=lambda each: (not each.enabled, each.next_at, each.id))
    shown = found[:SHOWN]
    last = await asyncio.gather(*(_run(services, each.last_run_id) for each in shown))
    return {
        "planned": [Planned(schedule, run) for schedule, run in zip(shown, last, strict=True)],
        "left_out": len(found) - len(shown),
        "latest": latest,
        "now": services.now(),
    }


async def _run(services: Services, run_id: str | None) -> QueuedRun | None:
    try:
        return None if run_id is None else await services.store.run(run_id)
    except NotFoundError:
        return None
