"""Waking those who wait for something to be written. Used by every store for ``changed``.

A reader that finds nothing new and then waits would miss what was written in between. So a store says when a
task has looked, and a wait returns at once if something was written since that task's look began.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["Changes"]


class Changes:
    """Counts writes; all calls on the event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._seen: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._waiting: set[asyncio.Future[None]] = set()

    def looked(self) -> None:
        """The current task begins to read."""
        task = asyncio.current_task()
        if task is not None:
            self._seen[task] = self._count

    def happened(self) -> None:
        """Something was written."""
        self._count += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def wait(self, timeout_s: float) -> None:
        """Until something was written since the current task last looked, or for ``timeout_s``."""
        task = asyncio.current_task()
        seen = self._seen.pop(task, self._count) if task is not None else self._count
        if seen != self._count:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await waiter
        finally:
            self._waiting.discard(waiter)
