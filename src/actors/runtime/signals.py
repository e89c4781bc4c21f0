"""The records the runtime itself hands to actors and to those who observe a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .ref import ActorRef

__all__ = ["ChildFailed", "DeadLetter", "Directive", "Failure", "Reason", "Terminated"]

Directive = Literal["restart", "stop", "escalate"]
Reason = Literal["stopped", "unhandled", "crashed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Terminated:
    """A watched actor is gone for good. `reason` is None for an ordered stop, else why it was given up."""

    ref: ActorRef
    reason: BaseException | None


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """A child crashed: told to a parent that has a handler for it, after the runtime acted on `directive`.

    `message` is what the child was handling, None if it failed in a hook or a background task.
    """

    child: ActorRef
    reason: BaseException
    message: object
    directive: Directive


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message nobody will handle, and why: stopped, unhandled, crashed, cancelled."""

    recipient: ActorRef
    message: object
    reason: Reason


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that reached the root of the tree, or an actor that could not be stopped."""

    ref: ActorRef
    reason: BaseException
