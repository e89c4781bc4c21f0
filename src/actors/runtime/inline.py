"""Asks to an idle actor, handled on the asker's stack, without a loop pass unless the handler suspends.

The order of messages is kept, since an idle actor has nothing queued. Depth and number in a row
are bounded. Async handlers need a task of their own that starts at once, which Python has since 3.12;
before, they are queued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from .activation import run_inline
from .lifecycle import crash, settle
from .mailbox import Ask

if TYPE_CHECKING:
    from .cell import Cell
    from .handlers import Handler

__all__ = ["INLINE_DEPTH", "INLINE_IN_A_ROW", "ask_inline", "start_inline"]

INLINE_DEPTH: Final = 16  # asks on the stack at once
INLINE_IN_A_ROW: Final = 64  # asks before one goes through the queue, so that the event loop goes on


def ask_inline(cell: Cell, row: Handler, request: object) -> Any:
    """Let an idle actor's sync handler run on the asker's stack, in a context of its own."""
    system = cell.system
    cell.mailbox = deque()
    cell.worker = asyncio.current_task()
    cell.current = request
    system.depth += 1
    try:
        answer = Context().run(row[0], cell.actor, request)
        cell.handled += 1
    except BaseException as error:
        ask = cell.current = Ask(request, cell, system.loop.create_future(), None)
        crash(cell, error, None)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise ask.future.exception() from error  # type: ignore[misc]  # crash has failed it
    else:
        return answer
    finally:
        system.depth -= 1
        settle(cell)


def start_inline(cell: Cell, ask: Ask, row: Handler) -> None:
    """Let an idle actor's async handler run, in a task of its own, on the asker's stack until it suspends."""
    system = cell.system
    cell.mailbox = deque()
    system.depth += 1
    try:
        task = asyncio.Task(run_inline(cell, ask, row), loop=system.loop, context=Context(), eager_start=True)  # type: ignore[call-arg]  # Python 3.12
    finally:
        system.depth -= 1
    if not task.done():
        workers = system.queue.workers
        workers.add(task)
        task.add_done_callback(workers.discard)
