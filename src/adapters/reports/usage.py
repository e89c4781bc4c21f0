"""What each system was asked and what that took: the table in the head of a report.

Called by ``build``. The figures are those that ``backend_call`` counted; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...messages.flow import StageResult
from ...messages.report import RunReport
from .document import Cell, Table
from .numbers import NONE, count, figure, latency
from .overview import systems

__all__ = ["usage_table"]

NOTE = (
    "Counts are exact. Latency: the median of the requests that were answered, a description of this run"
    " without an interval."
)
SHOWN = {"failed": "failed", "retries": "retried", "cached": "from the cache", "duplicates": "duplicates"}
"""Counts that are told below the requests where there are any."""
ESTIMATED = "≈: estimated, since the backend does not count tokens."


def usage_table(report: RunReport) -> Table | None:
    """One row for each system that was asked."""
    call: StageResult | None = next((each for each in report.stages if each.stage == "backend_call"), None)
    tallies: Mapping[str, Any] = (call.metrics.get("systems") or {}) if call is not None else {}
    order = [name for name in systems(report) if name in tallies]
    rows = tuple(_row(name, tallies[name]) for name in (*order, *(n for n in tallies if n not in order)))
    if not rows:
        return None
    estimated = any(tally["tokens_estimated"] for tally in tallies.values())
    return Table(
        caption="Requests, tokens, cost and time",
        heads=("system", "requests", "tokens in", "tokens out", "cost", "median latency"),
        rows=rows,
        numeric=frozenset(range(1, 6)),
        note=f"{NOTE} {ESTIMATED}" if estimated else NOTE,
    )


def _row(name: str, tally: Mapping[str, Any]) -> tuple[Cell, ...]:
    aside = [f"{count(tally[key])} {word}" for key, word in SHOWN.items() if tally.get(key)]
    about = "≈ " if tally["tokens_estimated"] else ""
    cost, median = tally["cost_usd"], tally["latency_s"]["p50"]
    return (
        Cell(name),
        Cell(count(tally["asked"]), detail=", ".join(aside)),
        Cell(f"{about}{count(tally['prompt_tokens'])}"),
        Cell(f"{about}{count(tally['completion_tokens'])}"),
        Cell("unknown" if cost is None else f"${figure(cost)}"),
        Cell(NONE if median is None else latency(median)),
    )
