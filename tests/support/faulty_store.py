"""A store whose calls fail on purpose: before or after they did all, late, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from crucible.messages.errors import StoreError

__all__ = ["Fault", "FaultyStore"]

Fault = Literal["before", "after", "slow", "hang"]
HANG_S = 10_000.0


class FaultyStore:
    """Stands before a store as one daemon sees it. ``decide`` is asked at each call, by method and number."""

    def __init__(
        self, store: Any, decide: Callable[[str, int], Fault | None], *, slow_s: float = 3.0
    ) -> None:
        self._store, self._decide, self._slow_s = store, decide, slow_s
        self.calls = 0
        self.cut_off = False
        """Nothing gets through, and nothing is answered."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in ("changed", "aclose"):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.cut_off:
                while self.cut_off:
                    await asyncio.sleep(1.0)
                raise StoreError("planted: no answer")
            fault = self._decide(name, self.calls)
            if fault == "before":
                raise StoreError("planted: nothing was done")
            if fault == "slow":
                await asyncio.sleep(self._slow_s)
            if fault == "hang":
                await asyncio.sleep(HANG_S)
                raise StoreError("planted: never answered")
            result = await method(*args, **kwargs)
            if fault == "after":
                raise StoreError("planted: done, but told that it failed")
            return result

        return call
