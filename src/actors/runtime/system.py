"""The actor system: the root of the tree and the owner of every task in it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any, Self

from . import stopping
from .actor import Actor
from .cell import Cell, State
from .clock import Clock, SystemClock, TimerHandle
from .dead_letters import DeadLetters
from .deadlines import Deadlines
from .errors import ActorError, ActorMisuse
from .inline import INLINE_IN_A_ROW
from .lifecycle import instantiate
from .ref import ActorRef
from .runqueue import RunQueue
from .signals import Failure
from .spawning import new_cell, spawn
from .statistics import ActorSnapshot
from .supervision import DEFAULT_POLICY, RestartType, SupervisionPolicy

__all__ = ["ActorSystem"]

_QUIET_PASSES = 200  # where the loop does not show whether anything is ready, or something always is

logger = logging.getLogger(__name__)


class _Guardian(Actor):
    """The root of the tree. It gets no messages."""


class ActorSystem:
    """A tree of actors on the running event loop.

        async with ActorSystem("crucible") as system:
            counter = system.spawn(Counter, name="counter")

    Leaving the block stops everything and raises the failures that reached the root and that nobody looked
    at.

    Args:
        name: the first part of every path.
        clock: time for timers, backoff and ask deadlines.
        policy: for top-level actors spawned without one.
        dead_letters: how many of the latest to keep.
    """

    def __init__(
        self,
        name: str = "crucible",
        *,
        clock: Clock | None = None,
        policy: SupervisionPolicy = DEFAULT_POLICY,
        dead_letters: int = 256,
    ) -> None:
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.dead_letters = DeadLetters(dead_letters)
        self.deadlines = Deadlines(self.clock)
        self.loop: asyncio.AbstractEventLoop
        self.queue: RunQueue
        self.depth = 0  # inline asks on the stack right now
        self.inline_left = INLINE_IN_A_ROW  # inline asks until one has to go through the queue
        self._policy = policy
        self._root: Cell | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._delays: set[TimerHandle] = set()
        self._failures: list[Failure] = []
        self._observed = 0
        self.numbers = itertools.count(1)  # for names nobody chose

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        unseen = self._failures[self._observed :]
        self._observed = len(self._failures)
        if error is None and unseen:
            reasons = [failure.reason for failure in unseen]
            if len(reasons) == 1:
                raise reasons[0]
            raise BaseExceptionGroup(f"{len(reasons)} failures in actor system {self.name}", reasons)

    def start(self) -> None:
        """Bind the system to the running event loop. `async with` does this."""
        if self._root is not None:
            raise ActorMisuse(self.name, "was started before")
        self.loop = asyncio.get_running_loop()
        self.queue = RunQueue(self.loop, self.name, self._report_own)
        root = new_cell(self, None, _Guardian, 1, self._policy, "temporary", redeliver=False)
        root.name = self.name
        instantiate(root)
        root.actor.children_policy = self._policy
        self._root = root
        self.clock.attach(self.quiescent)

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
        """Create a top-level actor and return its address; its `on_start` runs before its first message.

        Args:
            factory: makes an instance; called now and for every restart. What it raises now goes to the
                caller.
            name: unique among siblings; made up if missing.
            mailbox_capacity: how many messages may wait before senders have to.
            policy: how its supervisor treats it; default is the parent's `children_policy`.
            restart: `permanent` always, `transient` after a crash, `temporary` never.
            redeliver: handle the message of a crash again after the restart, as often as restarts are
                allowed.
        """
        if self._root is None:
            raise ActorMisuse(self.name, "is not running; use `async with`")
        return spawn(
            self,
            self._root,
            factory,
            name,
            mailbox_capacity,
            policy,
            restart,
            redeliver,
        )

    async def stop(self, grace: float = stopping.DEFAULT_GRACE_S) -> None:
        """Stop all actors, in reverse order of spawning, and leave no task behind.

        Handlers still at work after `grace` seconds in all are cancelled.
        """
        root = self._root
        if root is None:
            return
        task = self.request_stop(root, grace)
        if task is not None:
            await asyncio.wait({task})
        for timer in self._delays:
            timer.cancel()
        self._delays.clear()
        self.deadlines.close()
        me = asyncio.current_task()
        while mine := {task for task in self._tasks if task is not me}:
            await asyncio.wait(mine)
        self.queue.close()
        idle = {task for task in self.queue.workers if task is not me}
        if idle:
            # Only work that was reported as unkillable can outlast this.
            await asyncio.wait(idle, timeout=stopping.DEFAULT_GRACE_S)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What reached the root so far.

        Reading it counts as having seen it: leaving the block will not raise it.
        """
        self._observed = len(self._failures)
        return tuple(self._failures)

    def tree(self) -> str:
        """Draw the tree of actors: name, class, state, messages waiting, handled and restarts."""
        if self._root is None:
            return self.name
        lines: list[str] = []
        _draw(self._root, "", lines)
        return "\n".join(lines)

    def snapshot(self) -> ActorSnapshot:
        """Return the tree of actors as it is now."""
        if self._root is None:
            raise ActorMisuse(self.name, "is not running; use `async with`")
        return _snapshot(self._root)

    async def quiescent(self) -> None:
        """Wait until no actor has anything to do that needs no further event from outside.

        Work waiting for time, I/O or a thread counts as having nothing to do.
        """
        ready = getattr(self.loop, "_ready", None)
        quiet = 0
        while True:
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=0.01)
                quiet = 0
            elif len(self.queue):
                quiet = 0
            else:
                quiet += 1
                if (ready is not None and not ready) or quiet >= _QUIET_PASSES:
                    return

    # For the rest of the runtime

    def own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a piece of the runtime's own work in a task that `stop` waits for."""
        task = self.loop.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._disown)
        return task

    def _disown(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report_own(error)

    def _report_own(self, error: BaseException) -> None:
        """Record a mistake of the runtime itself."""
        logger.critical("the actor runtime failed", exc_info=error)
        if self._root is not None:
            self.report(Failure(self._root.ref, error))

    def delay(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run an action after a backoff, unless the system stops before."""

        def run() -> None:
            self._delays.discard(timer)
            action()

        timer = self.clock.call_later(delay_s, run)
        self._delays.add(timer)

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run an action in the next loop pass."""
        self.loop.call_soon(action, context=Context())

    def request_stop(self, cell: Cell, grace_s: float) -> asyncio.Task[None] | None:
        """Begin to stop a cell; see `stopping.request_stop`."""
        return stopping.request_stop(cell, self.loop.time() + max(0.0, grace_s), None)

    def report(self, failure: Failure) -> None:
        """Record a failure that no supervisor dealt with."""
        level = logging.ERROR if isinstance(failure.reason, ActorError) else logging.CRITICAL
        logger.log(level, "actor system %s: %s", self.name, failure.reason)
        self._failures.append(failure)


def _draw(cell: Cell, indent: str, lines: list[str]) -> None:
    """Append the lines of a subtree."""
    if cell.parent is None:
        lines.append(cell.name)
    else:
        now = cell.statistics()
        lines.append(
            f"{indent}{cell.name} ({_kind(cell)}) {_state(cell)}, {now.mailbox_depth} waiting, "
            f"{now.handled} handled, {now.restarts} restarts"
        )
    for child in (cell.children or {}).values():
        _draw(child, indent + "  ", lines)


def _kind(cell: Cell) -> str:
    return type(cell.actor).__name__ if cell.actor is not None else "-"


def _state(cell: Cell) -> str:
    return "idle" if cell.state is State.RUNNING and cell.mailbox is None else cell.state.value


def _snapshot(cell: Cell) -> ActorSnapshot:
    return ActorSnapshot(
        name=cell.name,
        kind=_kind(cell),
        state=_state(cell),
        mailbox_capacity=cell.capacity,
        statistics=cell.statistics(),
        children=tuple(_snapshot(child) for child in (cell.children or {}).values()),
    )
