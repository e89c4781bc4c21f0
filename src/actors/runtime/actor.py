"""The base class of every actor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .context import ActorContext
from .errors import ActorMisuse
from .handlers import Behaviour, build_table
from .signals import ChildFailed, Directive
from .supervision import DEFAULT_POLICY, SupervisionPolicy

if TYPE_CHECKING:
    from .cell import Cell
    from .ref import ActorRef

__all__ = ["Actor"]


class Actor:
    """State that only its own handlers touch, one message at a time.

        class Counter(Actor):
            def __init__(self) -> None:
                self.count = 0

            @handler
            async def on_add(self, message: Add) -> None:
                self.count += message.amount

            @handler
            def on_total(self, message: Total) -> int:
                return self.count

    An exception that leaves a handler or hook crashes the actor; its supervisor decides what follows. A
    restarted actor is a new object made by the factory it was spawned with; mailbox, name and ref stay.

    `children_policy` is the policy of the children that are spawned without one.
    """

    children_policy: ClassVar[SupervisionPolicy] = DEFAULT_POLICY
    _behaviour: ClassVar[Behaviour]
    _cell: Cell  # set after __init__; no default, beside which CPython 3.13 would not set it the fast way
    _context: ActorContext | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._behaviour = Behaviour(
            cls.__name__,
            build_table(cls),
            has_on_start=cls.on_start is not Actor.on_start,
            has_on_stop=cls.on_stop is not Actor.on_stop,
            has_on_restart=cls.on_restart is not Actor.on_restart,
            has_on_child_failure=cls.on_child_failure is not Actor.on_child_failure,
        )

    @property
    def context(self) -> ActorContext:
        """The actor's way to its system: children, watches, timers, background tasks."""
        if self._context is None:
            if not hasattr(self, "_cell"):
                raise ActorMisuse(type(self).__qualname__, "has no context in __init__; use on_start")
            self._context = ActorContext(self._cell)
        return self._context

    @property
    def ref(self) -> ActorRef:
        """The address of this actor."""
        return self.context.ref

    async def on_start(self) -> None:
        """Run before the first message of each incarnation."""

    async def on_stop(self) -> None:
        """Run when an incarnation ends, after its children, timers and background tasks have ended."""

    async def on_restart(self, reason: BaseException) -> None:
        """Run before `on_start` on an incarnation that follows a crash."""

    def on_child_failure(self, failure: ChildFailed) -> Directive:
        """Decide about a crashed child; `failure.directive` is what its policy says. Must not block."""
        return failure.directive
