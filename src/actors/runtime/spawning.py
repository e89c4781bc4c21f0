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

__all__ = ["new_cell", "spawn"]

_STARTING, _RUNNING = State.STARTING, State.RUNNING


def spawn(
    system: ActorSystem,
    parent: Cell,
    factory: Callable[[], Actor],
    name: str | None,
    mailbox_capacity: int,
    policy: SupervisionPolicy | None,
    restart: RestartType,
    redeliver: bool,  # noqa: FBT001  # arguments by name would be 4 % of a spawn
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
    policy = policy or parent.actor.children_policy
    cell = new_cell(system, parent, factory, mailbox_capacity, policy, restart, redeliver)
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
    return cell.ref


def new_cell(
    system: ActorSystem,
    parent: Cell | None,
    factory: Callable[[], Actor],
    capacity: int,
    policy: SupervisionPolicy,
    restart: RestartType,
    redeliver: bool,  # noqa: FBT001  # by position: see `spawn`
) -> Cell:
    """Make a cell and its address; it has neither a name nor an actor yet."""
    # Set here, as CPython does not inline the constructor of a class with slots: 4 % of a spawn.
    cell = Cell()
    cell.system = system
    cell.queue = system.queue
    cell.parent = parent
    cell.factory = factory
    cell.capacity = cell.limit = capacity
    cell.policy = policy
    cell.restart = restart
    cell.redeliver = redeliver
    cell.ref = ActorRef(cell)
    return cell
