"""The address of an actor: everything that others may do with it."""

from __future__ import annotations

import asyncio
import sys
import types
from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Final, TypeVar, cast

from .errors import ActorMisuse, ActorStopped, MailboxFull
from .inline import INLINE_DEPTH, INLINE_IN_A_ROW, ask_inline, start_inline
from .mailbox import Ask
from .requests import Request
from .statistics import ActorStatistics
from .stopping import stop_at_once

if TYPE_CHECKING:
    from .cell import Cell

__all__ = ["ActorRef"]

R = TypeVar("R")

_EAGER: Final = sys.version_info >= (3, 12)
_Future: Final = asyncio.Future
DEFAULT_TIMEOUT_S: Final = 30.0


@types.coroutine
def _accept() -> Generator[None, None, None]:
    return
    yield


# What `tell` returns when there was room. An exhausted generator coroutine may be awaited any number of times
# and ends at once; no awaitable is cheaper (75 ns against 270 ns for an object with __await__, Python 3.13).
_ACCEPTED: Final[Awaitable[None]] = _accept()
for _ in cast("Generator[None, None, None]", _ACCEPTED):
    pass


class ActorRef:
    """An actor's address. It stays the same over restarts and may be kept after the actor has stopped.

    Use it from the event loop's thread only.
    """

    __slots__ = ("__weakref__", "_cell")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __repr__(self) -> str:
        return f"<ActorRef {self.path} {self._cell.state.value}>"

    @property
    def name(self) -> str:
        """The actor's name among its siblings."""
        return self._cell.name

    @property
    def path(self) -> str:
        """The names from the root to the actor, joined by slashes."""
        return self._cell.path

    @property
    def is_alive(self) -> bool:
        """Whether the actor still takes messages; True while it is being restarted."""
        return not self._cell.closed

    def tell(self, message: object) -> Awaitable[None]:
        """Send a message; awaiting waits for room in the mailbox. Await it always.

        Messages of one sender arrive in order. A message to a stopped actor becomes a dead letter. A sender
        cancelled while it waits for room sends nothing. An actor that tells itself into its own full
        mailbox gets `MailboxFull`, as it would wait for ever.
        """
        # `Cell.put` and `RunQueue.schedule` written out: this is the hot path.
        cell = self._cell
        mailbox = cell.mailbox
        if mailbox is None:
            queue = cell.queue
            mailbox = queue.spare
            if mailbox is None:
                mailbox = deque()
            else:
                queue.spare = None
            cell.mailbox = mailbox
            mailbox.append(message)
            cell.scheduled = True
            queue.cells.append(cell)
            if not queue.attended:
                queue.attend()
            return _ACCEPTED
        depth = len(mailbox)
        if depth < cell.limit:
            mailbox.append(message)
            if depth >= cell.high_water:
                cell.high_water = depth + 1
            return _ACCEPTED
        return cell.put_waiting(message)

    def tell_nowait(self, message: object) -> None:
        """Send a message without waiting.

        Raises:
            MailboxFull: there is no room, or other senders are already waiting for it.
        """
        # Written out as in `tell`.
        cell = self._cell
        mailbox = cell.mailbox
        if mailbox is None:
            queue = cell.queue
            mailbox = queue.spare
            if mailbox is None:
                mailbox = deque()
            else:
                queue.spare = None
            cell.mailbox = mailbox
            mailbox.append(message)
            cell.scheduled = True
            queue.cells.append(cell)
            if not queue.attended:
                queue.attend()
            return
        depth = len(mailbox)
        if depth < cell.limit:
            mailbox.append(message)
            if depth >= cell.high_water:
                cell.high_water = depth + 1
            return
        if not cell.closed:
            raise MailboxFull(cell.path, cell.capacity)
        cell.discard(message, "stopped")

    async def ask(  # noqa: C901  # the hot path is written out
        self,
        request: Request[R],
        *,
        timeout: float | None = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> R:
        """Send a request and wait for what its handler returns, at most `timeout` seconds of the clock.

        When the time is up, or the caller is cancelled, the handler at work on the request is cancelled
        too; a request that still waits is dropped.

        Raises:
            AskTimeout: no answer in time.
            ActorStopped: the actor is stopping or gone; raised at once.
            ActorCrashed: the handler raised; the cause is `__cause__`.
            UnhandledMessage: no handler for this type.
        """
        cell = self._cell
        system = cell.system
        queued = False
        if cell.mailbox is None and system.inline_left and not cell.redeliver:
            row = cell.behaviour.find(type(request)) if system.depth < INLINE_DEPTH else None
            if row is not None and (_EAGER or not row[1]):
                system.inline_left -= 1
                if not row[1]:
                    return cast("R", ask_inline(cell, row, request))
                ask = Ask(request, cell, _Future(loop=system.loop), timeout)
                start_inline(cell, ask, row)
                if ask.future.done():
                    return cast("R", ask.future.result())
                queued = True
        if not queued:
            if not cell.limit and cell.closed:
                raise ActorStopped(cell.path, request)
            if cell.worker is not None and cell.worker is asyncio.current_task():
                raise ActorMisuse(cell.path, "asks itself and would wait for ever")
            system.inline_left = INLINE_IN_A_ROW
            ask = Ask(request, cell, _Future(loop=system.loop), timeout)
        future = ask.future
        deadlines = system.deadlines
        lane = None
        if timeout is not None:
            lane = deadlines.lanes.get(timeout)
            if lane is not None:
                lane[ask] = deadlines.now() + timeout
            else:
                deadlines.add(ask, timeout)
        admitted = None
        try:
            if not queued and not cell.put(ask):
                admitted = cell.line_up(ask)
            return cast("R", await future)
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.exception()  # marks it as retrieved: the caller will not see it
            ask.withdraw()
            raise
        finally:
            if lane is not None:
                lane.pop(ask, None)
            elif timeout is not None:
                deadlines.remove(ask)
            if admitted is not None:
                admitted.cancel()

    async def stop(self, grace: float = 0.5) -> None:
        """Stop the actor and its children, and wait until they have stopped. It is not restarted.

        The current message may take `grace` more seconds of real time, then it is cancelled. What waits in
        the mailbox is discarded. Called from the actor itself, this only begins to stop it.
        """
        cell = self._cell
        if stop_at_once(cell, None):
            return
        stopping = cell.system.request_stop(cell, grace)
        if stopping is None:
            return
        me = asyncio.current_task()
        if me is not cell.worker and not (cell._extras and me in cell._extras.tasks):
            await asyncio.wait({stopping})

    def statistics(self) -> ActorStatistics:
        """Return the actor's counters as they are now."""
        return self._cell.statistics()
