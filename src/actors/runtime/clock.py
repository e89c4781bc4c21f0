"""Time for timers, backoff and ask deadlines: the event loop's, or one that a test moves by hand.

Stopping does not use this clock: its grace is real time, so that a system on virtual time can always be
stopped.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

__all__ = ["Clock", "SystemClock", "TimerHandle", "VirtualClock"]

Callback = Callable[[], object]


class TimerHandle(Protocol):
    """A pending callback that can be withdrawn."""

    def cancel(self) -> None:
        """Withdraw the callback; harmless if it has run."""
        ...


class Clock(Protocol):
    """Where a system gets its time from. Seconds, monotonic, with an arbitrary zero."""

    def now(self) -> float:
        """Return the time in seconds."""
        ...

    def call_later(self, delay_s: float, callback: Callback) -> TimerHandle:
        """Run a plain callback once after `delay_s` seconds."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...

    def attach(self, quiescent: Callable[[], Awaitable[None]]) -> None:
        """Learn how to wait until a system using this clock has nothing left to do."""
        ...


class SystemClock:
    """The event loop's clock."""

    now = staticmethod(monotonic)
    """Return the time in seconds: what asyncio's loop.time() is, without the calls around it."""

    def call_later(self, delay_s: float, callback: Callback) -> TimerHandle:
        """Run a plain callback once after `delay_s` seconds."""
        return asyncio.get_running_loop().call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        await asyncio.sleep(delay_s)

    def attach(self, quiescent: Callable[[], Awaitable[None]]) -> None:
        """Real time passes by itself; nothing to do."""


class _VirtualTimer:
    """A callback on a virtual clock's heap; a cancelled one stays there until its time comes."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time that stands still until `advance` moves it; timers fire in the order of their times.

    Between two firings the attached systems run until they are quiescent, so what a timer causes (a
    restart, a new timer) has happened before the next one fires.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now = start_s
        self._heap: list[tuple[float, int, _VirtualTimer]] = []
        self._sequence = itertools.count()
        self._quiescent: list[Callable[[], Awaitable[None]]] = []

    def now(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def call_later(self, delay_s: float, callback: Callback) -> TimerHandle:
        """Run a plain callback once time has been advanced by `delay_s` seconds."""
        timer = _VirtualTimer(callback)
        heapq.heappush(self._heap, (self._now + max(0.0, delay_s), next(self._sequence), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        """Wait until time has been advanced by `delay_s` seconds."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def attach(self, quiescent: Callable[[], Awaitable[None]]) -> None:
        """Learn how to wait until a system using this clock has nothing left to do."""
        self._quiescent.append(quiescent)

    async def advance(self, seconds: float) -> None:
        """Move time forward, firing every timer that falls due on the way, in order."""
        target = self._now + seconds
        await self._settle()
        while self._heap and self._heap[0][0] <= target:
            when, _, timer = heapq.heappop(self._heap)
            callback = timer.callback
            if callback is None:
                continue
            self._now = max(self._now, when)
            timer.callback = None
            callback()
            await self._settle()
        self._now = target

    async def _settle(self) -> None:
        for quiescent in self._quiescent:
            await quiescent()
