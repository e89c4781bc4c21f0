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
from contextvars import Context, copy_context
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
        self._queue: deque[Cell] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self.workers: set[asyncio.Task[None]] = set()
        self._drainer: asyncio.Task[Any] | None = None  # the worker in charge, perhaps suspended in a handler
        self._coming = False  # some worker is certain to look at the queue soon
        self._yielded = False  # the drainer is only letting the loop have a pass
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    def schedule(self, cell: Cell) -> None:
        """Queue a cell for an activation. The caller knows that it is not queued yet."""
        cell.scheduled = True
        self._queue.append(cell)
        if not self._coming:
            self._coming = True
            drainer = self._drainer
            if drainer is not None and asyncio.current_task() is drainer:
                # It will go on by itself, unless the handler it is in suspends.
                self._loop.call_soon(self._take_over)
            elif self._idle and not self._idle[-1].done():
                self._idle.pop().set_result(None)
            else:
                self._wake()

    def close(self) -> None:
        """Let idle workers end. Queued cells are not activated any more."""
        self._closed = True
        self._queue.clear()
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)

    def _take_over(self) -> None:
        if self._yielded:
            return
        self._coming = bool(self._queue) and not self._closed
        if self._coming:
            self._wake()

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                return
        worker = self._loop.create_task(self._work(), name=f"{self._name}:worker", context=Context())
        self.workers.add(worker)
        worker.add_done_callback(self._ended)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        """Report a worker that died: `run` lets no such exception out, so the runtime is at fault."""
        self.workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._report(error)

    async def _work(self) -> None:  # noqa: C901  # the hot path is written out
        """Drain the queue, wait to be woken, and so on, until retired."""
        me = asyncio.current_task()
        assert me is not None
        queue = self._queue
        try:
            while not self._closed:
                self._coming = False
                self._drainer = me
                activations = ACTIVATIONS_PER_PASS
                started = monotonic()
                deadline = started + PASS_SECONDS
                while queue:
                    cell = queue.popleft()
                    cell.scheduled = False
                    state = cell.state
                    if state is _RUNNING and cell.behaviour.synchronous:
                        run_synchronous(cell, me, deadline)
                        used = False
                    elif state is _RUNNING or state is _STARTING:
                        if queue and not self._coming:
                            self._coming = True
                            self._loop.call_soon(self._take_over)
                        await run(cell, me, deadline)
                        used = me.cancelling() > 0
                    else:
                        continue
                    now = monotonic()
                    cell.busy_s += now - started
                    started = now
                    if used or copy_context():
                        return
                    if self._drainer is not me:
                        break
                    activations -= 1
                    if not activations or now >= deadline:
                        self._yielded = self._coming = True
                        await _one_loop_pass()
                        self._yielded = self._coming = False
                        activations = ACTIVATIONS_PER_PASS
                        started = monotonic()
                        deadline = started + PASS_SECONDS
                if self._closed or len(self._idle) >= _MAX_IDLE_WORKERS:
                    return
                if self._drainer is me:
                    self._drainer = None
                woken: asyncio.Future[None] = asyncio.Future(loop=self._loop)
                self._idle.append(woken)
                await woken
        finally:
            if self._drainer is me:
                self._drainer = None
                self._yielded = False
                self._coming = bool(queue) and not self._closed
                if self._coming:
                    self._wake()
