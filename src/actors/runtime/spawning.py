"""Putting a new actor into the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .cell import Cell, State
from .errors import ActorMisuse
from .lifecycle import instantiate, resume
from .ref import ActorRef
from .supervision import RestartType, SupervisionPolicy

if TYPE_CHECKING:
    from .actor import Actor
    from .system import ActorSystem

__all__ = ["spawn"]

_STARTING, _RUNNING = State.STARTING, State.RUNNING


def spawn(
    system: ActorSystem,
    parent: Cell,
    factory: Callable[[], Actor],
    name: str | None,
    mailbox_capacity: int,
    policy: SupervisionPolicy | None,
    restart: RestartType,
    redeliver: bool,  # noqa: FBT001  # by position: see below
) -> ActorRef:
    """Create an actor under `parent`. An exception of its factory goes to the caller."""
    if parent.state is not _RUNNING and parent.state is not _STARTING:
        raise ActorMisuse(parent.path, "is stopping or restarting and cannot spawn")
    if mailbox_capacity < 1:
        raise ActorMisuse(parent.path, f"mailbox_capacity must be at least 1, not {mailbox_capacity}")
    children = parent.children
    if children is None:
        children = parent.children = {}
    if name is not None and (name in children or not name or "/" in name):
        problem = "already has a child named" if name in children else "cannot name a child"
        raise ActorMisuse(parent.path, f"{problem} {name!r}")
    # All by position: arguments by name are a tenth of a spawn.
    cell = Cell(
        system,
        parent,
        "",
        factory,
        mailbox_capacity,
        policy or parent.actor.children_policy,
        restart,
        redeliver,
    )
    ref = cell.ref = ActorRef(cell)
    instantiate(cell)
    if name is None:
        kind = cell.behaviour.name
        name = f"{kind}-{next(system.numbers)}"
        while name in children:
            name = f"{kind}-{next(system.numbers)}"
    cell.name = name
    children[name] = cell
    if cell.state is _STARTING:
        resume(cell)
    return ref
