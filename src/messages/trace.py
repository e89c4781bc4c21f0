"""Spans of a run, and the decisions that were taken in them."""

from typing import Any, Literal

from msgspec import field

from .base import Message

__all__ = ["Decision", "Span", "SpanKind", "SpanStatus"]

SpanKind = Literal[
    "run", "stage", "batch", "request", "attempt", "hedge", "vote", "dialectic", "train", "checkpoint"
]
SpanStatus = Literal["ok", "error", "cancelled", "open"]


class Decision(Message, frozen=True, omit_defaults=True):
    """A choice that was made while a span ran: what, instead of what, and why."""

    kind: str
    """What sort of choice: hedge, race, vote, early_stop, data_check, guardrail, filter, checkpoint, ..."""
    chosen: str
    alternatives: tuple[str, ...] = ()
    why: str = ""
    confidence: float | None = None
    """Probability in [0, 1] that whoever chose gives to its choice; None when it has none."""
    subject: str = ""
    """What it is about, such as the id of an example, where the span is about more."""
    at_s: float | None = None
    """Seconds since the run began; None: when the span ended."""


class Span(Message, frozen=True, tag=True):
    """A piece of work with a beginning and an end, in seconds of a monotonic clock since the run began."""

    id: int
    name: str
    kind: SpanKind
    start_s: float
    end_s: float
    parent_id: int | None = None
    lane: str = ""
    """Row of the timeline: the stage, or the stage, a slash and the slot that did the work."""
    status: SpanStatus = "ok"
    """``open``: it has begun, and another span with this id follows when it ends."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """By OpenTelemetry's names where it has one (``gen_ai.*``, ``error.type``), else by our own."""
    decisions: tuple[Decision, ...] = ()
