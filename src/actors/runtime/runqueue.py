"""The run-queue: cells that have something to do, and the worker tasks that activate them.

Normally one worker drains the queue: up to `ACTIVATIONS_PER_PASS` activations or `PASS_SECONDS`, then it
lets the event loop have a pass, so I/O and other tasks get their turn. If a handler suspends, its worker is
suspended with it and another takes over the queue. A worker is reused as long as that is invisible: one
that was cancelled, or whose context variables were set, is retired, so nothing leaks from one actor into
the next.

Rejected: a resident task per actor (5 KB each, a loop pass per hop), a task per activation (each costs
about as much as five messages, and without eager tasks, before Python 3.12, also a loop pass), anyio
streams (a checkpoint, that is a loop pass, on each side of each message).
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context
from time import monotonic
from typing import Any

from .activation import run, run_synchronous
from .cell import Cell, State

__all__ = ["ACTIVATIONS_PER_PASS", "PASS_SECONDS", "RunQueue"]

ACTIVATIONS_PER_PASS = 128
PASS_SECONDS = 0.002
_MAX_IDLE_WORKERS = 16
_STARTING, _RUNNING = State.STARTING, State.RUNNING


@types.coroutine
def _one_loop_pass() -> Generator[None, None, None]:
    """Let everything else that is ready run once."""
    yield


class RunQueue:
    """Schedules cells. All methods belong to the thread of the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, report: Callable[[BaseException], None]
    ) -> None:
        self._loop = loop
        self._name = name
        self._report = report
        self.cells: deque[Cell] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self.workers: set[asyncio.Task[None]] = set()
        self._drainer: asyncio.Task[Any] | None = None  # the worker in charge, perhaps suspended in a handler
        self.spare: deque[Any] | None = None
        """An empty mailbox to use again: making one took 7 % of a hop in a ring."""
        self.attended = False  # some worker is certain to look at the queue soon
        self._yielded = False  # the drainer is only letting the loop have a pass
        self._closed = False

    def __len__(self) -> int:
        return len(self.cells)

    def mailbox(self) -> deque[Any]:
        """Return an empty mailbox: the spare one if there is one."""
        mailbox, self.spare = self.spare, None
        return deque() if mailbox is None else mailbox

    def schedule(self, cell: Cell, by: asyncio.Task[Any] | None = None) -> None:
        """Queue a cell for an activation. The caller knows that it is not queued yet.

        `by`: the worker whose activation of the cell has just ended; if it is in charge, it will look again.
        """
        cell.scheduled = True
        self.cells.append(cell)
        if not self.attended and (by is None or by is not self._drainer):
            self.attend()

    def attend(self) -> None:
        """Make sure that a worker looks at the queue soon."""
        self.attended = True
        drainer = self._drainer
        if drainer is not None and asyncio.current_task() is drainer:
            # It will go on by itself, unless the handler it is in suspends.
            self._loop.call_soon(self._take_over)
        else:
            self._wake()

    def close(self) -> None:
        """Let idle workers end. Queued cells are not activated any more."""
        self._closed = True
        self.cells.clear()
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)

    def _take_over(self) -> None:
        if self._yielded:
            return
        self.attended = bool(self.cells) and not self._closed
        if self.attended:
            self._wake()

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                return
        context = Context()
        worker = self._loop.create_task(self._work(context), name=f"{self._name}:worker", context=context)
        self.workers.add(worker)
        worker.add_done_callback(self._ended)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        """Report a worker that died: `run` lets no such exception out, so the runtime is at fault."""
        self.workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._report(error)

    async def _work(self, context: Context) -> None:  # noqa: C901  # the hot path is written out
        """Drain the queue, wait to be woken, and so on, until retired."""
        me = asyncio.current_task()
        assert me is not None
        cells = self.cells
        try:
            while not self._closed:
                self.attended = self._yielded = False
                self._drainer = me
                busy = bool(cells)
                activations = ACTIVATIONS_PER_PASS
                started = monotonic()
                deadline = started + PASS_SECONDS
                while cells:
                    cell = cells.popleft()
                    cell.scheduled = False
                    state = cell.state
                    if state is _RUNNING and cell.behaviour.synchronous:
                        activations, now = run_synchronous(
                            cell, self, me, context, activations, started, deadline
                        )
                        used = False
                    elif state is _RUNNING or state is _STARTING:
                        if cells and not self.attended:
                            self.attended = True
                            self._loop.call_soon(self._take_over)
                        await run(cell, me, deadline)
                        used = me.cancelling() > 0
                        now = monotonic()
                        cell.busy_s += now - started
                        activations -= 1
                    else:
                        continue
                    started = now
                    if used or context:
                        return
                    if self._drainer is not me or not activations or now >= deadline:
                        break
                if self._drainer is me:
                    if busy and not self._closed:
                        # Even with nothing left to do: who gets an answer in this pass often asks again. To
                        # park and be woken costs more than a pass, a sixth of a queued ask.
                        self._yielded = self.attended = True
                        await _one_loop_pass()
                        continue
                    self._drainer = None
                if self._closed or len(self._idle) >= _MAX_IDLE_WORKERS:
                    return
                woken: asyncio.Future[None] = asyncio.Future(loop=self._loop)
                self._idle.append(woken)
                await woken
        finally:
            if self._drainer is me:
                self._drainer = None
                self._yielded = False
                self.attended = bool(cells) and not self._closed
                if self.attended:
                    self._wake()
