"""The span of one request of a race. A pure function, called by the racer when the request is over."""

from __future__ import annotations

from typing import Literal

from ...messages.requests import BackendRequest
from ...messages.trace import Span
from ..span_facts import call_attributes, duplicate_decisions, error_attributes, reply_attributes
from .sent import Sent

__all__ = ["attempt_span"]


def attempt_span(
    request: BackendRequest,
    sent: Sent,
    number: int,
    parent: int | None,
    row: str,
    began: float,
) -> Span:
    """``row`` is that of the race in the trace, ``began`` is when the run did."""
    status: Literal["ok", "error", "cancelled"] = "ok" if sent.acceptable else "error"
    lane = sent.lane
    attributes = {
        "example": request.example_id,
        "attempt": sent.number,
        "kind": sent.kind,
        "backend": lane.name,
        "why": sent.why,
        **call_attributes(lane.sampler, lane.backend_id or lane.name, request.params),
    }
    if sent.first_token is not None:
        attributes["first_token_s"] = sent.first_token - sent.started
    if sent.reply is not None:
        attributes |= reply_attributes(sent.reply)
    if sent.loser:
        attributes["loser"] = True
    if sent.outcome == "cancelled":
        status = "cancelled"
    elif sent.error is not None:
        attributes |= error_attributes(sent.told_error())
    return Span(
        id=number,
        parent_id=parent,
        name=sent.title,
        kind="hedge" if sent.duplicate else "attempt",
        start_s=sent.started - began,
        end_s=sent.ended - began,
        lane=f"{row} {sent.kind}" if sent.duplicate or sent.loser else row,
        status=status,
        attributes=attributes,
        decisions=duplicate_decisions(sent.title, sent.why, sent.started - began) if sent.duplicate else (),
    )
