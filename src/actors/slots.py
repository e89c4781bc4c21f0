"""A limit on requests in flight: numbered slots, handed out first come first served.

Called by ``backend_call`` and the ensemble. Unlike a queue of numbers, a slot that is given back goes to the
one who has waited longest, and it can be told when one is free that nobody waits for.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Slots"]


class Slots:
    """Slots 0 to ``count - 1``."""

    def __init__(self, count: int) -> None:
        self._free = deque(range(count))
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return len(self._free)

    async def take(self) -> int:
        """A slot, which is nobody else's until it is given back."""
        if self._free:  # then nobody waits
            slot = self._free.popleft()
            if not self._free:
                self._idle.clear()
            return slot
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give(place.result())
            raise

    def give(self, slot: int) -> None:
        """Back to whoever waits."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(slot)
                return
        self._free.append(slot)
        self._idle.set()

    async def idle(self) -> None:
        """Wait until a slot is free that nobody waits for."""
        await self._idle.wait()
