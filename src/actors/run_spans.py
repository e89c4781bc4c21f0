"""The spans of a run and of its stages. Pure functions.

Called by the supervisor of the run, and by the engine for the report. Run and stages are told twice: when
they begin, so that their parts have a parent whatever happens to the run, and when they end.
"""

from __future__ import annotations

from ..messages.flow import StageResult
from ..messages.trace import Span, SpanStatus
from .stage import Tally

__all__ = ["RUN_SPAN", "broken_stage_span", "open_stage_span", "run_span", "stage_span"]

RUN_SPAN = 1


def run_span(
    name: str, run_id: str, started_at: str, status: SpanStatus, end_s: float, reason: str | None
) -> Span:
    """The span of the run; ``started_at`` ties it to the wall clock."""
    attributes = {"run": run_id, "started_at": started_at}
    if reason is not None:
        attributes["error"] = reason
    return Span(
        id=RUN_SPAN,
        name=name,
        kind="run",
        start_s=0.0,
        end_s=end_s,
        lane="run",
        status=status,
        attributes=attributes,
    )


def open_stage_span(name: str, tally: Tally, number: int) -> Span:
    """The span of a stage that has just begun."""
    began = tally.started_s or 0.0
    return Span(
        id=number,
        parent_id=RUN_SPAN,
        name=name,
        kind="stage",
        start_s=began,
        end_s=began,
        lane=name,
        status="open",
    )


def broken_stage_span(
    name: str, tally: Tally, number: int, end_s: float, status: SpanStatus, reason: str | None = None
) -> Span:
    """The span of a stage that was ended before it had a result."""
    counts = {"received": tally.received, "emitted": tally.emitted, "busy_s": tally.busy_s}
    return Span(
        id=number,
        parent_id=RUN_SPAN,
        name=name,
        kind="stage",
        start_s=tally.started_s or 0.0,
        end_s=end_s,
        lane=name,
        status=status,
        attributes=counts if reason is None else {**counts, "error": reason},
    )


def stage_span(result: StageResult, number: int) -> Span:
    """The span of a stage, from its result.

    On the stage's own lane, around its batches: stages work at the same time, and viewers of traces drop a
    span that overlaps another one of its lane without lying inside it.
    """
    return Span(
        id=number,
        parent_id=RUN_SPAN,
        name=result.stage,
        kind="stage",
        start_s=result.started_s,
        end_s=result.started_s + result.seconds,
        lane=result.stage,
        attributes={
            "received": result.received,
            "emitted": result.emitted,
            "busy_s": result.busy_seconds,
            "status": result.status,
        },
    )
