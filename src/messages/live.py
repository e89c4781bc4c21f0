"""What a running daemon shows of itself: runs under way, actors, events as they happen."""

from __future__ import annotations

from typing import Any

import msgspec

from .base import Message

__all__ = ["ActorView", "LiveEvent", "LiveRun", "LiveStage"]


class LiveStage(Message, frozen=True):
    """A stage of a run under way."""

    name: str
    state: str = "waiting"
    """waiting, running, completed, failed, skipped."""
    done: int = 0
    total: int | None = None
    phase: str = ""
    note: str = ""
    mailbox: int = 0
    """Batches that wait before it."""
    mailbox_capacity: int = 0
    restarts: int = 0
    rate: float | None = None
    """Rows a second over the last seconds; None while unknown."""


class LiveRun(Message, frozen=True):
    """A run under way."""

    run_id: str
    experiment_id: str
    since: float
    """Seconds since the epoch."""
    stages: tuple[LiveStage, ...] = ()


class ActorView(Message, frozen=True):
    """An actor and its children."""

    name: str
    kind: str
    state: str
    mailbox: int = 0
    mailbox_capacity: int = 0
    high_water: int = 0
    handled: int = 0
    failed: int = 0
    restarts: int = 0
    children: tuple[ActorView, ...] = ()


class LiveEvent(Message, frozen=True):
    """Something that happens now. ``seq`` is that of the stored event, None for one that is not stored."""

    run_id: str
    kind: str
    at: float
    seq: int | None = None
    body: dict[str, Any] = msgspec.field(default_factory=dict)
