"""What one actor has done so far, as a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ActorSnapshot", "ActorStatistics"]


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """Counters of one actor over all its incarnations.

    Args:
        received: messages accepted so far: handled, failed, dropped or still waiting.
        handled: messages whose handler returned.
        failed: messages, hooks and background tasks that crashed the actor.
        dropped: messages that were withdrawn, unhandled or left over when the actor stopped.
        restarts: incarnations after the first.
        mailbox_depth: messages waiting now.
        mailbox_high_water: the most that ever waited at once.
        busy_seconds: wall time inside activations, waiting included.
    """

    received: int
    handled: int
    failed: int
    dropped: int
    restarts: int
    mailbox_depth: int
    mailbox_high_water: int
    busy_seconds: float


@dataclass(frozen=True, slots=True)
class ActorSnapshot:
    """An actor and its children as they are now: what `ActorSystem.tree` draws, for programs."""

    name: str
    kind: str
    state: str
    mailbox_capacity: int
    statistics: ActorStatistics
    children: tuple[ActorSnapshot, ...]
