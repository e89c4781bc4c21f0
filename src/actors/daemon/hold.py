"""A lease as its holder sees it: good until a time that only a renewal moves on, and lost for good after it.

Made by the daemon when it claims a run, moved on by the lease keeper, looked at by the run. All that a run
writes to the store goes through ``patiently``: it asks again when the store fails, and ends at once, with
LeaseLostError, when the lease is lost meanwhile. The store checks the token in any case; this is what keeps a
run from working on in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ...messages.errors import LeaseLostError, StoreError
from ..runtime import Clock

__all__ = ["Hold"]

T = TypeVar("T")

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0


class Hold:
    """Of one run under one token."""

    def __init__(self, run_id: str, token: int, *, until: float, clock: Clock) -> None:
        """``until`` is a time of ``clock``."""
        self.run_id = run_id
        self.token = token
        self._clock = clock
        self._lost = asyncio.Event()
        self._until = until
        self._timer = clock.call_later(until - clock.now(), self.give_up)

    @property
    def good(self) -> bool:
        """Whether work may go on. Looks at the clock: after a long sleep no timer has fired yet."""
        if not self._lost.is_set() and self._clock.now() >= self._until:
            self.give_up()
        return not self._lost.is_set()

    def extend(self, until: float) -> None:
        """A renewal was granted. A lease that was given up stays so."""
        if self.good and until > self._until:
            self._timer.cancel()
            self._until = until
            self._timer = self._clock.call_later(until - self._clock.now(), self.give_up)

    def give_up(self) -> None:
        """The lease is lost."""
        self._timer.cancel()
        self._lost.set()

    def close(self) -> None:
        """The lease has been settled: nothing is to be given up any more."""
        self._timer.cancel()

    async def lost(self) -> None:
        """Wait until it is lost."""
        await self._lost.wait()

    async def while_good(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work comes to; cancelled, with LeaseLostError, when the lease is lost before that."""
        task = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._lost.wait())
        try:
            if self.good:
                await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise LeaseLostError(f"the lease on run {self.run_id} is lost")
        finally:
            waiting.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """A call to the store, repeated until it succeeds, says that the lease is lost, or the lease is."""
        return await self.while_good(self._repeat(call))

    async def _repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        wait = FIRST_WAIT_S
        while True:
            try:
                return await call()
            except StoreError:
                await self._clock.sleep(wait)
                wait = min(LONGEST_WAIT_S, 2 * wait)
            except LeaseLostError:
                self.give_up()
                raise
