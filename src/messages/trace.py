"""Spans of a run."""

from typing import Any, Literal

from msgspec import field

from .base import Message

__all__ = ["Span", "SpanKind"]

SpanKind = Literal["run", "stage", "batch", "request", "attempt", "hedge", "vote", "train", "checkpoint"]


class Span(Message, frozen=True, tag=True):
    """A piece of work with a beginning and an end, in seconds of a monotonic clock since the run began."""

    id: int
    name: str
    kind: SpanKind
    start_s: float
    end_s: float
    parent_id: int | None = None
    lane: str = ""
    """Row of the timeline: the actor or slot that did the work."""
    status: Literal["ok", "error", "cancelled"] = "ok"
    attributes: dict[str, Any] = field(default_factory=dict)
