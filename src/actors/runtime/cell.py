"""The cell: all the runtime knows about one actor. It has no task of its own and, while idle, no mailbox.

Invariants, which `ref`, `activation` and `lifecycle` keep together:

* `mailbox is None` means: running, idle, nothing queued, not scheduled. So a sender that creates the
  mailbox, and only that one, schedules the cell. One that takes nothing more has a mailbox: `CLOSED`.
* `limit` is the number of messages a sender may fill the mailbox to without looking further: the capacity,
  or 0 while senders wait (nobody overtakes them) and once the actor is stopping.
* `worker` is set exactly while an activation of this cell is under way, suspended or not.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from .errors import ActorStopped, MailboxFull
from .handlers import Behaviour
from .mailbox import MARKER, Ask, Marker, TimerFired, Waiter
from .signals import Reason
from .statistics import ActorStatistics
from .supervision import RestartType, SupervisionPolicy

if TYPE_CHECKING:
    from .actor import Actor
    from .clock import TimerHandle
    from .ref import ActorRef
    from .runqueue import RunQueue
    from .system import ActorSystem

__all__ = ["Cell", "Extras", "State"]


class State(Enum):
    """Where a cell is in its life."""

    STARTING = "starting"  # an instance exists; its start hooks have not finished
    RUNNING = "running"
    RESTARTING = "restarting"  # crashed or swept along; messages wait
    STOPPING = "stopping"
    STOPPED = "stopped"


_RUNNING = State.RUNNING  # reading it from the class costs ten times as much


class Extras:
    """What few cells have; made on first use to keep idle actors small."""

    __slots__ = (
        "attempts",
        "cancel_cause",
        "exiting",
        "failed",
        "generator",
        "histories",
        "history",
        "last_failure_at",
        "reason",
        "redelivered",
        "released",
        "replacement",
        "restart_reason",
        "restarts",
        "signals",
        "stopping",
        "tasks",
        "timers",
        "watchers",
        "watching",
        "winding",
    )

    def __init__(self) -> None:
        self.signals: deque[object] = deque()
        self.timers: dict[object, tuple[object, TimerHandle]] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.watchers: dict[Cell, None] = {}
        self.watching: dict[Cell, None] = {}
        self.histories: dict[SupervisionPolicy, deque[float]] = {}
        self.history: deque[float] | None = None  # the group's, out of the parent's `histories`
        self.failed = self.restarts = 0
        self.cancel_cause: Ask | None = None
        self.exiting = False  # has asked to stop
        self.reason: BaseException | None = None  # it was stopped for
        self.attempts = 0
        self.generator: random.Random | None = None
        self.last_failure_at = 0.0
        self.redelivered: tuple[object, int] | None = None
        self.restart_reason: BaseException | None = None
        self.replacement: object = None
        self.released: asyncio.Future[None] | None = None
        self.winding: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None


class Cell:
    """One actor's place in the tree, over all its incarnations."""

    __slots__ = (
        "_extras",
        "actor",
        "behaviour",
        "busy_s",
        "capacity",
        "children",
        "current",
        "dropped",
        "factory",
        "handled",
        "high_water",
        "limit",
        "mailbox",
        "name",
        "parent",
        "policy",
        "queue",
        "redeliver",
        "ref",
        "restart",
        "scheduled",
        "senders",
        "started",
        "state",
        "system",
        "worker",
    )

    # What stays the same over a cell's life; set by `spawning.new_cell`.
    system: ActorSystem
    queue: RunQueue
    parent: Cell | None
    name: str
    factory: Callable[[], Actor]
    capacity: int
    policy: SupervisionPolicy
    restart: RestartType
    redeliver: bool
    ref: ActorRef

    # What changes.
    behaviour: Behaviour  # set with the actor
    limit: int

    def __init__(self) -> None:
        self.actor: Any = None  # an Actor from the first instance to the end of the last
        self.started = False
        self.children: dict[str, Cell] | None = None
        self.mailbox: deque[Any] | None = None
        self.senders: deque[Waiter] | None = None
        self.state = _RUNNING
        self.scheduled = False
        self.worker: asyncio.Task[Any] | None = None
        self.current: object = None
        self.high_water = self.handled = self.dropped = 0
        self.busy_s = 0.0
        self._extras: Extras | None = None

    @property
    def path(self) -> str:
        """The names from the root to this actor, joined by slashes."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"

    @property
    def extras(self) -> Extras:
        """The rarely needed part, made on first use."""
        if self._extras is None:
            self._extras = Extras()
        return self._extras

    @property
    def plain(self) -> bool:
        """Whether this incarnation can end at once: nothing under way, no children, tasks or stop hook."""
        extras = self._extras
        return (
            self.worker is None
            and not self.children
            and (extras is None or not (extras.tasks or extras.winding))
            and not (self.started and self.behaviour.has_on_stop)
        )

    # Sending

    def put(self, item: object) -> bool:
        """Accept an item if there is room and nobody waits; return whether it was accepted."""
        mailbox = self.mailbox
        if mailbox is None:
            self.mailbox = mailbox = self.queue.mailbox()
            mailbox.append(item)
            self.queue.schedule(self)
            return True
        depth = len(mailbox)
        if depth >= self.limit:
            return False
        mailbox.append(item)
        if depth >= self.high_water:
            self.high_water = depth + 1
        return True

    async def put_waiting(self, item: object) -> None:
        """Wait in line for room.

        A sender that is cancelled in the line leaves it and its message is never seen.
        """
        if self.closed:
            self.discard(item, "stopped")
        elif not self.put(item):
            await self.line_up(item)

    def line_up(self, item: object) -> asyncio.Future[None]:
        """Wait for room behind the other senders: the future is done once the item is in; cancel to withdraw.

        Raises:
            MailboxFull: an actor's own handler would wait for itself.
        """
        if self.worker is not None and self.worker is asyncio.current_task():
            raise MailboxFull(self.path, self.capacity)
        if self.senders is None:
            self.senders = deque()
        waiter = Waiter(item, asyncio.get_running_loop().create_future())
        self.senders.append(waiter)
        self.limit = 0
        return waiter.woken

    def admit(self) -> None:
        """Move messages of waiting senders into the mailbox while there is room, skipping withdrawn ones."""
        senders, mailbox = self.senders, self.mailbox
        if senders is None or mailbox is None:
            return
        while senders and len(mailbox) < self.capacity:
            waiter = senders.popleft()
            if not waiter.woken.done():
                mailbox.append(waiter.item)
                waiter.woken.set_result(None)
        if not senders:
            self.senders = None
            if not self.closed:
                self.limit = self.capacity

    def signal(self, message: object) -> None:
        """Deliver a system message ahead of everything that waits, in order among themselves."""
        if self.closed or self.state is State.RESTARTING:
            return
        self.extras.signals.append(message)
        self.interrupt()

    def interrupt(self) -> None:
        """Make the activation look at state and signals before its next message."""
        if self.mailbox is None:
            self.mailbox = deque((MARKER,))
            self.queue.schedule(self)
        else:
            self.mailbox.appendleft(MARKER)

    # Discarding

    @property
    def closed(self) -> bool:
        """Whether the actor is stopping or gone."""
        return self.state is State.STOPPING or self.state is State.STOPPED

    def discard(self, item: Any, reason: Reason, error: Exception | None = None) -> None:
        """Give up a message: an ask fails at once, anything else becomes a dead letter."""
        kind = type(item)
        if kind is Marker or kind is TimerFired or item is None:
            return
        self.dropped += 1
        if kind is Ask:
            item.fail(error or ActorStopped(self.path, item.message))
        else:
            self.system.dead_letters.add(self.ref, item, reason)

    def flush(self) -> None:
        """Discard everything queued, and the messages of waiting senders, who are let go."""
        if self.mailbox:
            for item in self.mailbox:
                self.discard(item, "stopped")
            self.mailbox.clear()
        senders, self.senders = self.senders, None
        for waiter in senders or ():
            if not waiter.woken.done():
                waiter.woken.set_result(None)
                self.discard(waiter.item, "stopped")

    # Cancelling

    def cancel_ask(self, ask: Ask) -> None:
        """Cancel the handler if it is suspended over this ask; a queued ask is dropped in its turn."""
        if self.current is ask and self.worker is not None and self.worker is not asyncio.current_task():
            self.extras.cancel_cause = ask
            self.worker.cancel()

    # Looking

    def doing(self) -> str:
        """Say what the cell is or was at, for errors and reports."""
        message = self.current.message if isinstance(self.current, Ask) else self.current
        if message is None:
            return "in on_start" if self.state is State.STARTING else "outside a handler"
        row = self.behaviour.find(type(message))
        name = row[0].__qualname__ if row else type(message).__name__
        return f"in {name} handling {type(message).__name__}"

    def statistics(self) -> ActorStatistics:
        """Return the counters as they are now."""
        mailbox = self.mailbox
        depth = sum(type(item) is not Marker for item in mailbox) if mailbox else 0
        under_way = 1 if self.worker is not None and self.current is not None else 0
        extras = self._extras
        failed, restarts = (extras.failed, extras.restarts) if extras is not None else (0, 0)
        received = self.handled + failed + self.dropped + depth + under_way
        return ActorStatistics(
            received=received,
            handled=self.handled,
            failed=failed,
            dropped=self.dropped,
            restarts=restarts,
            mailbox_depth=depth,
            mailbox_high_water=max(self.high_water, 1 if received else 0),
            busy_seconds=self.busy_s,
        )
