"""What an actor can ask of its system, bound to its cell: `self.context`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ActorMisuse
from .mailbox import TimerFired
from .signals import Terminated
from .spawning import spawn
from .supervision import RestartType, SupervisionPolicy
from .tasks import create_task

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .clock import Clock
    from .ref import ActorRef
    from .system import ActorSystem

__all__ = ["ActorContext"]

T = TypeVar("T")


class ActorContext:
    """One incarnation's handle on the runtime. Do not pass it on; pass `ref`."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def ref(self) -> ActorRef:
        """The actor's own address."""
        return self._cell.ref

    @property
    def name(self) -> str:
        """The actor's name among its siblings."""
        return self._cell.name

    @property
    def path(self) -> str:
        """The names from the root to the actor."""
        return self._cell.path

    @property
    def system(self) -> ActorSystem:
        """The system the actor lives in."""
        return self._cell.system

    @property
    def clock(self) -> Clock:
        """The system's clock."""
        return self._cell.system.clock

    @property
    def parent(self) -> ActorRef | None:
        """The parent's address; None for an actor spawned by the system itself."""
        parent = self._cell.parent
        return parent.ref if parent is not None and parent.parent is not None else None

    @property
    def children(self) -> tuple[ActorRef, ...]:
        """The live children, in the order of spawning."""
        return tuple(child.ref for child in (self._cell.children or {}).values())

    def spawn(
        self,
        factory: Callable[[], Actor],
        *,
        name: str | None = None,
        mailbox_capacity: int = 1024,
        policy: SupervisionPolicy | None = None,
        restart: RestartType = "transient",
        redeliver: bool = False,
    ) -> ActorRef:
        """Spawn a child; the arguments are those of `ActorSystem.spawn`."""
        return spawn(
            self._cell.system,
            self._cell,
            factory,
            name,
            mailbox_capacity,
            policy,
            restart,
            redeliver,
        )

    def watch(self, ref: ActorRef) -> None:
        """Receive `Terminated` once `ref` is gone for good; at once if it is gone already."""
        cell = self._cell
        if cell.behaviour.find(Terminated) is None:
            raise ActorMisuse(cell.path, "watches without a handler for Terminated")
        watched = ref._cell
        if watched.ref.is_alive:
            watched.extras.watchers[cell] = None
            cell.extras.watching[watched] = None
        else:
            cell.signal(Terminated(ref, watched.extras.reason))

    def unwatch(self, ref: ActorRef) -> None:
        """Undo `watch`."""
        ref._cell.extras.watchers.pop(self._cell, None)
        self._cell.extras.watching.pop(ref._cell, None)

    def schedule(self, delay_s: float, message: object, *, key: object = None) -> object:
        """Send `message` to this actor after `delay_s` seconds, unless the incarnation ends before.

        A timer with a `key` replaces the pending one with that key. The message overtakes the mailbox.

        Returns:
            The key, for `cancel_timer`.
        """
        cell = self._cell
        if cell.closed:
            raise ActorMisuse(cell.path, "is stopping and cannot start a timer")
        token = object()
        key = token if key is None else key
        self.cancel_timer(key)
        timer = cell.system.clock.call_later(delay_s, lambda: cell.signal(TimerFired(key, message, token)))
        cell.extras.timers[key] = (token, timer)
        return key

    def cancel_timer(self, key: object) -> bool:
        """Cancel a timer, even one that has fired but was not handled yet. Return whether there was one."""
        pending = self._cell.extras.timers.pop(key, None)
        if pending is None:
            return False
        pending[1].cancel()
        return True

    def create_task(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Run a coroutine beside the actor.

        Its failure crashes the actor; it is cancelled when the actor stops.
        """
        return create_task(self._cell, work, name)

    async def sleep(self, delay_s: float) -> None:
        """Wait by the system's clock, inside a handler or background task."""
        await self._cell.system.clock.sleep(delay_s)

    def stop_self(self) -> None:
        """Stop this actor after the current message."""
        cell = self._cell
        if not cell.closed and not cell.extras.exiting:
            cell.extras.exiting = True
            cell.interrupt()
