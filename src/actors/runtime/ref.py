"""The address of an actor: everything that others may do with it."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from .errors import ActorMisuse, ActorStopped, MailboxFull
from .inline import ask_inline, start_inline
from .mailbox import Ask
from .requests import Request
from .statistics import ActorStatistics

if TYPE_CHECKING:
    from .cell import Cell

__all__ = ["ActorRef"]

R = TypeVar("R")

_EAGER: Final = sys.version_info >= (3, 12)
DEFAULT_TIMEOUT_S: Final = 30.0


class _Accepted:
    """What `tell` returns when there was room: awaiting it costs no loop pass."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return iter(())  # type: ignore[return-value]  # an exhausted iterator serves as a finished generator


_ACCEPTED: Final = _Accepted()


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
        # `Cell.put` written out: this is the hot path.
        cell = self._cell
        mailbox = cell.mailbox
        if mailbox is not None:
            depth = len(mailbox)
            if depth < cell.limit:
                mailbox.append(message)
                if depth >= cell.high_water:
                    cell.high_water = depth + 1
                return _ACCEPTED
        elif cell.limit:
            cell.mailbox = deque((message,))
            cell.system.queue.schedule(cell)
            return _ACCEPTED
        return cell.put_waiting(message)

    def tell_nowait(self, message: object) -> None:
        """Send a message without waiting.

        Raises:
            MailboxFull: there is no room, or other senders are already waiting for it.
        """
        cell = self._cell
        if not cell.put(message):
            if not cell.closed:
                raise MailboxFull(cell.path, cell.capacity)
            cell.discard(message, "stopped")

    async def ask(self, request: Request[R], *, timeout: float | None = DEFAULT_TIMEOUT_S) -> R:  # noqa: ASYNC109  # by the system's clock
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
        if cell.closed:
            raise ActorStopped(cell.path, request)
        if cell.mailbox is None and not cell.redeliver and system.may_inline():
            row = cell.behaviour.find(type(request))
            if row is not None:
                if not row.is_async:
                    return cast("R", ask_inline(cell, row, request))
                if _EAGER:
                    ask = Ask(request, cell, system.loop.create_future(), timeout)
                    start_inline(cell, ask)
                    if ask.future.done():
                        return cast("R", ask.future.result())
                    return cast("R", await _answer(ask))
        if cell.worker is not None and cell.worker is asyncio.current_task():
            raise ActorMisuse(cell.path, "asks itself and would wait for ever")
        ask = Ask(request, cell, system.loop.create_future(), timeout)
        if cell.put(ask):
            return cast("R", await _answer(ask))
        return cast("R", await _answer(ask, waiting=True))

    async def stop(self, grace: float = 0.5) -> None:
        """Stop the actor and its children, and wait until they have stopped. It is not restarted.

        The current message may take `grace` more seconds of real time, then it is cancelled. What waits in
        the mailbox is discarded. Called from the actor itself, this only begins to stop it.
        """
        cell = self._cell
        stopping = cell.system.request_stop(cell, grace)
        me = asyncio.current_task()
        if stopping is None or me is cell.worker or (cell._extras and me in cell._extras.tasks):
            return
        await asyncio.wait({stopping})

    def statistics(self) -> ActorStatistics:
        """Return the actor's counters as they are now."""
        return self._cell.statistics()


async def _answer(ask: Ask, *, waiting: bool = False) -> object:
    """Wait for the answer, within the deadline, and clean up whichever way it ends."""
    deadlines = ask.cell.system.deadlines
    timed = ask.timeout_s is not None
    if timed:
        deadlines.add(ask, cast("float", ask.timeout_s))
    admitted = None
    try:
        if waiting:
            admitted = ask.cell.line_up(ask)
        return await ask.future
    except asyncio.CancelledError:
        if ask.future.done() and not ask.future.cancelled():
            ask.future.exception()  # marks it as retrieved: the caller will not see it
        ask.withdraw()
        raise
    finally:
        if timed:
            deadlines.remove(ask)
        if admitted is not None:
            admitted.cancel()
