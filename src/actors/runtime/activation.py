"""One activation: a worker handles a bounded number of a cell's messages, then lets others have a turn.

`run` serves every actor; `run_synchronous` is the same loop for actors whose handlers are all plain
functions, without a coroutine per activation. What an exception means is decided in `lifecycle`.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any

from .cell import Cell, State
from .errors import HandlerCancelled, UnhandledMessage
from .handlers import Handler
from .lifecycle import crash, dispose, exit_by_itself, settle
from .mailbox import Ask, Marker, TimerFired

if TYPE_CHECKING:
    from .runqueue import RunQueue

__all__ = ["MESSAGES_PER_ACTIVATION", "run", "run_inline", "run_synchronous"]

MESSAGES_PER_ACTIVATION = 256
_CHUNK_MASK = 15  # 16 messages between two looks at the time, which costs as much as two deque operations
_STARTING, _RUNNING = State.STARTING, State.RUNNING


# The two loops below are the hot path: what would be helper functions elsewhere is written out.


async def run(cell: Cell, worker: asyncio.Task[Any], deadline: float) -> None:  # noqa: C901  # see above
    """Handle some messages, fewer once `monotonic()` passes `deadline`.

    Lets no exception out but KeyboardInterrupt and SystemExit.
    """
    cell.worker = worker
    budget = MESSAGES_PER_ACTIVATION
    try:
        if cell.state is _STARTING:
            await _start(cell)
        mailbox, actor, find = cell.mailbox, cell.actor, cell.behaviour.row_of
        while mailbox:
            item = mailbox.popleft()
            if cell.senders is not None:
                cell.admit()
            row = find(type(item))
            if row is not None:
                cell.current = item
                function, is_async = row
                if is_async:
                    await function(actor, item)
                else:
                    function(actor, item)
                cell.handled += 1
            elif type(item) is Ask:
                row = find(type(item.message)) or cell.behaviour.find(type(item.message))
                future = item.future
                if row is not None and not future.done():
                    cell.current = item
                    function, is_async = row
                    outcome = function(actor, item.message)
                    if is_async:
                        outcome = await outcome
                    if not future.done():
                        future.set_result(outcome)
                    cell.handled += 1
                else:
                    refuse(cell, item)
            elif (row := special(cell, item)) is not None:
                function, is_async = row
                outcome = function(actor, cell.current)
                if is_async:
                    await outcome
                cell.handled += 1
            elif cell.state is not _RUNNING or cell.actor is not actor:
                break
            budget -= 1
            if not budget & _CHUNK_MASK and (not budget or monotonic() > deadline):
                break
    except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
        crash(cell, error, worker)
    except BaseException as error:  # noqa: BLE001  # likewise, once it is known what it is
        interrupted(cell, error, worker)
    else:
        if mailbox or cell.state is not _RUNNING:
            settle(cell, worker)
        else:
            cell.queue.spare = mailbox  # empty, and nobody else has it
            cell.worker = cell.current = cell.mailbox = None


def run_synchronous(  # noqa: C901  # see above
    cell: Cell,
    queue: RunQueue,
    worker: asyncio.Task[Any],
    context: Context,
    activations: int,
    started: float,
    deadline: float,
) -> tuple[int, float]:
    """Do what `run` does, for an actor without async handlers whose start hooks have run.

    Goes on with the actors behind it in the queue while they are of that kind too: a function call for each
    would be a sixth of the cost of an activation that handles one message.

    Returns:
        How many activations are left, and the time. It stops early when a handler has set a variable of
        `context`.
    """
    cells = queue.cells
    while True:
        cell.worker = worker
        mailbox, actor, find = cell.mailbox, cell.actor, cell.behaviour.row_of
        budget = MESSAGES_PER_ACTIVATION
        try:
            while mailbox:
                item = mailbox.popleft()
                if cell.senders is not None:
                    cell.admit()
                row = find(type(item))
                if row is not None:
                    cell.current = item
                    row[0](actor, item)
                    cell.handled += 1
                    if not mailbox:  # the usual end; the counting below is for longer activations
                        break
                elif not _handle_unlisted(cell, item):
                    break
                budget -= 1
                if not budget & _CHUNK_MASK and (not budget or monotonic() > deadline):
                    break
        except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
            crash(cell, error, worker)
        except BaseException as error:  # noqa: BLE001  # likewise, once it is known what it is
            interrupted(cell, error, worker)
        else:
            if mailbox or cell.state is not _RUNNING:
                settle(cell, worker)
            else:
                queue.spare = mailbox  # empty, and nobody else has it
                cell.worker = cell.current = cell.mailbox = None
        now = monotonic()
        cell.busy_s += now - started
        activations -= 1
        if not cells or not activations or now >= deadline or context:
            return activations, now
        started = now
        cell = cells.popleft()
        if cell.state is not _RUNNING or not cell.behaviour.synchronous:
            cells.appendleft(cell)
            return activations, now
        cell.scheduled = False


def _handle_unlisted(cell: Cell, item: object) -> bool:
    """Handle an item whose exact type is not in the table of a synchronous actor; return whether to go on."""
    if type(item) is Ask:
        row = cell.behaviour.find(type(item.message))
        if row is None or item.future.done():
            refuse(cell, item)
            return True
        cell.current = item
        item.answer(row[0](cell.actor, item.message))
    else:
        row = special(cell, item)
        if row is None:
            return cell.state is _RUNNING
        row[0](cell.actor, cell.current)
    cell.handled += 1
    return True


async def run_inline(cell: Cell, ask: Ask, row: Handler) -> None:
    """Handle one ask at once, in a task of its own, for an idle actor; what goes for `run` goes here."""
    cell.worker = asyncio.current_task()
    cell.current = ask
    try:
        outcome = await row[0](cell.actor, ask.message)
        if not ask.future.done():
            ask.future.set_result(outcome)
        cell.handled += 1
    except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
        crash(cell, error, None)
    except BaseException as error:  # noqa: BLE001  # likewise, once it is known what it is
        interrupted(cell, error, None)
    else:
        if cell.mailbox or cell.state is not _RUNNING:
            settle(cell)
        else:
            cell.worker = cell.current = cell.mailbox = None


async def _start(cell: Cell) -> None:
    """Run the start hooks of a new incarnation."""
    cell.current = None
    actor = cell.actor
    extras = cell._extras
    if extras is not None and extras.restart_reason is not None and cell.behaviour.has_on_restart:
        await actor.on_restart(extras.restart_reason)
    if cell.behaviour.has_on_start:
        await actor.on_start()
    if cell.state is State.STARTING:
        cell.state = State.RUNNING
        cell.started = True
        if extras is not None:
            extras.restart_reason = None


def special(cell: Cell, item: object) -> Handler | None:
    """Take in an item that is not in the table. Set `cell.current` and return its handler if there is one."""
    if type(item) is Marker:
        item = _next_signal(cell)
        if item is None:
            return None
    row = cell.behaviour.find(type(item))
    if row is None:
        cell.discard(item, "unhandled")
        return None
    cell.current = item
    return row


def refuse(cell: Cell, ask: Ask) -> None:
    """Drop an ask whose asker has gone, or that the actor has no handler for."""
    if ask.future.done():
        cell.dropped += 1
    else:
        cell.discard(ask, "unhandled", UnhandledMessage(cell.path, ask.message))


def _next_signal(cell: Cell) -> object | None:
    """Return the system message a marker stands for; None if it only announced a change of state.

    Raises:
        ActorExited: a permanent actor has asked to stop.
    """
    extras = cell.extras
    if extras.exiting:
        extras.exiting = False
        exit_by_itself(cell)
        return None
    signals = extras.signals
    if cell.state is not State.RUNNING or not signals:
        return None
    item = signals.popleft()
    if isinstance(item, TimerFired):
        timers = extras.timers
        pending = timers.get(item.key)
        if pending is None or pending[0] is not item.token:
            return None
        del timers[item.key]
        item = item.message
    return item


def interrupted(cell: Cell, error: BaseException, worker: asyncio.Task[Any] | None) -> None:
    """End an activation by what is no Exception. Lets none out but KeyboardInterrupt and SystemExit."""
    if isinstance(error, CancelledError):
        cancelled(cell, worker)
        settle(cell, worker)
        return
    crash(cell, error, worker)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error


def cancelled(cell: Cell, worker: asyncio.Task[Any] | None) -> None:
    """A CancelledError left a handler: the asker's wish, part of stopping, or nobody's, which is a crash."""
    extras = cell.extras
    cause, extras.cancel_cause = extras.cancel_cause, None
    item = cell.current
    if cell.state is not State.RUNNING and cell.state is not State.STARTING:
        dispose(cell)
    elif cause is not None and cause is item:
        cell.dropped += 1
    else:
        crash(cell, HandlerCancelled(cell.path, cell.doing()), worker)
