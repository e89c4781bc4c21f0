"""What travels in a mailbox beside plain messages, and the senders that wait for room in it.

A mailbox is a bare deque owned by its cell, created on the first message and dropped when it runs empty, so
an idle actor has none. A plain message travels without an envelope.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .errors import AskTimeout

if TYPE_CHECKING:
    from .cell import Cell

__all__ = ["CLOSED", "MARKER", "Ask", "Marker", "TimerFired", "Waiter"]


class Marker:
    """Put at the *front* of a mailbox: look at the cell's state and signals before the next message.

    This is how system messages overtake without a second queue to check for each message.
    """

    __slots__ = ()


MARKER: Final = Marker()

CLOSED: Final[deque[Any]] = deque(maxlen=0)
"""The mailbox of an actor that takes nothing more. It never has room, so senders need not ask about that."""


class Ask:
    """A request with the future its sender waits on."""

    # No slots: CPython 3.13 inlines the construction of plain classes only, which is 2 % of a queued ask.

    def __init__(
        self, message: object, cell: Cell, future: asyncio.Future[Any], timeout_s: float | None
    ) -> None:
        self.message = message
        self.cell = cell
        self.future = future
        self.timeout_s = timeout_s

    def answer(self, value: object) -> None:
        """Hand over the reply, unless the asker has gone."""
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Fail the ask, unless the asker has gone."""
        if not self.future.done():
            self.future.set_exception(error)

    def expire(self) -> None:
        """The deadline passed: tell the asker and cancel the work."""
        if not self.future.done():
            assert self.timeout_s is not None
            self.future.set_exception(AskTimeout(self.cell.path, self.message, self.timeout_s))
            self.withdraw()

    def withdraw(self) -> None:
        """Cancel the handler if it is at work on this unwanted ask; a queued one is dropped in its turn."""
        self.cell.cancel_ask(self)


class Waiter:
    """A sender waiting for room; its message enters the mailbox in its turn, before the sender wakes."""

    __slots__ = ("item", "woken")

    def __init__(self, item: object, woken: asyncio.Future[None]) -> None:
        self.item = item
        self.woken = woken


class TimerFired:
    """A keyed timer's message on its way; discarded if the timer was cancelled or replaced meanwhile."""

    __slots__ = ("key", "message", "token")

    def __init__(self, key: object, message: object, token: object) -> None:
        self.key = key
        self.message = message
        self.token = token
