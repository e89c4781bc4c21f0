"""One activation: a worker handles a bounded number of a cell's messages, then lets others have a turn.

`run` serves every actor; `run_synchronous` is the same loop for actors whose handlers are all plain
functions, without a coroutine per activation. What an exception means is decided in `lifecycle`.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from .cell import Cell, State
from .errors import HandlerCancelled, UnhandledMessage
from .handlers import Handler
from .lifecycle import crash, dispose, exit_by_itself, settle
from .mailbox import Ask, Marker, TimerFired

if TYPE_CHECKING:
    from .actor import Actor

__all__ = ["MESSAGES_PER_ACTIVATION", "run", "run_synchronous"]

MESSAGES_PER_ACTIVATION = 256
_CHECK_TIME_EVERY = 16  # messages; a clock reading costs about as much as a deque operation


async def run(
    cell: Cell, worker: asyncio.Task[Any], deadline: float, budget: int = MESSAGES_PER_ACTIVATION
) -> None:
    """Handle up to `budget` messages, fewer once `monotonic()` passes `deadline`.

    Never raises an Exception.
    """
    cell.worker = worker
    try:
        if cell.state is State.STARTING:
            await _start(cell)
        mailbox, actor, find = cell.mailbox, cell.actor, cell.behaviour.table.get
        while mailbox:
            item = mailbox.popleft()
            if cell.senders is not None:
                cell.admit()
            row = find(type(item))
            if row is not None:
                cell.current = item
                if row.is_async:
                    await row.function(actor, item)
                else:
                    row.function(actor, item)
                cell.handled += 1
            else:
                row = special(cell, item)
                if row is not None:
                    outcome = call(cell, actor, row)
                    if row.is_async:
                        outcome = await outcome
                    finish(cell, outcome)
                    cell.handled += 1
                elif cell.state is not State.RUNNING:
                    break
            budget -= 1
            if not budget or (not budget % _CHECK_TIME_EVERY and monotonic() > deadline):
                break
    except asyncio.CancelledError:
        cancelled(cell)
    except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
        crash(cell, error)
    finally:
        settle(cell)


def run_synchronous(cell: Cell, worker: asyncio.Task[Any], deadline: float) -> None:
    """Do what `run` does for an actor without async handlers."""
    cell.worker = worker
    handled = 0
    budget = MESSAGES_PER_ACTIVATION
    try:
        mailbox, actor, find = cell.mailbox, cell.actor, cell.behaviour.table.get
        while mailbox:
            item = mailbox.popleft()
            if cell.senders is not None:
                cell.admit()
            row = find(type(item))
            if row is not None:
                cell.current = item
                row.function(actor, item)
                handled += 1
            else:
                row = special(cell, item)
                if row is not None:
                    finish(cell, call(cell, actor, row))
                    handled += 1
                elif cell.state is not State.RUNNING:
                    break
            budget -= 1
            if not budget or (not budget % _CHECK_TIME_EVERY and monotonic() > deadline):
                break
    except asyncio.CancelledError:
        cancelled(cell)
    except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
        crash(cell, error)
    finally:
        cell.handled += handled
        settle(cell)


async def _start(cell: Cell) -> None:
    """Run the start hooks of a new incarnation."""
    cell.current = None
    actor = cell.actor
    reason = cell.extras.restart_reason
    if reason is not None and cell.behaviour.has_on_restart:
        await actor.on_restart(reason)
    if cell.behaviour.has_on_start:
        await actor.on_start()
    if cell.state is State.STARTING:
        cell.state = State.RUNNING
        cell.started = True


def special(cell: Cell, item: object) -> Handler | None:
    """Take in an item that is not in the table. Set `cell.current` and return its handler if there is one."""
    if type(item) is Marker:
        unwrapped = _next_signal(cell)
        if unwrapped is None:
            return None
        item = unwrapped
    message = item
    if isinstance(item, Ask):
        if item.future.done():
            cell.dropped += 1
            return None
        message = item.message
    row = cell.behaviour.find(type(message))
    if row is None:
        cell.discard(item, "unhandled", UnhandledMessage(cell.path, message))
        return None
    cell.current = item
    return row


def _next_signal(cell: Cell) -> object | None:
    """Return the system message a marker stands for; None if it only announced a change of state."""
    if cell.exiting:
        cell.exiting = False
        exit_by_itself(cell)
        return None
    signals = cell.extras.signals
    if cell.state is not State.RUNNING or not signals:
        return None
    item = signals.popleft()
    if isinstance(item, TimerFired):
        timers = cell.extras.timers
        pending = timers.get(item.key)
        if pending is None or pending[0] is not item.token:
            return None
        del timers[item.key]
        item = item.message
    return item


def call(cell: Cell, actor: Actor, row: Handler) -> Any:
    """Call the handler with the current message, out of its envelope."""
    item = cell.current
    return row.function(actor, item.message if isinstance(item, Ask) else item)


def finish(cell: Cell, outcome: object) -> None:
    """Answer the current message if it is an ask."""
    if isinstance(cell.current, Ask):
        cell.current.answer(outcome)


def cancelled(cell: Cell) -> None:
    """A CancelledError left a handler: the asker's wish, part of stopping, or nobody's, which is a crash."""
    cause, cell.cancel_cause = cell.cancel_cause, None
    item = cell.current
    if cell.state is not State.RUNNING and cell.state is not State.STARTING:
        dispose(cell)
    elif cause is not None and cause is item:
        cell.dropped += 1
    else:
        crash(cell, HandlerCancelled(cell.path, cell.doing()))
