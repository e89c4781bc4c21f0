"""A store that fails when a test says so.

``before``: nothing was done, and the caller is told that it failed. ``after``: it was done, and the caller is
told that it failed. ``cancelled``: the caller was cancelled while the call was under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

from crucible.actors.store import Store
from crucible.messages.errors import StoreError

__all__ = ["KINDS", "FailingStore", "FaultKind", "fault_at"]

FaultKind = Literal["before", "after", "cancelled"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


def fault_at(number: int, kind: FaultKind) -> Callable[[int, str], FaultKind | None]:
    """A plan: only the call of that number, from 0, fails."""
    return lambda call, _name: kind if call == number else None


class FailingStore:
    """Passes every call on, but for those that the plan picks by number and name."""

    def __init__(self, store: Store, plan: Callable[[int, str], FaultKind | None]) -> None:
        self._store, self._plan = store, plan
        self.calls: list[str] = []
        """Names, in order."""
        self.faults = 0

    @property
    def store(self) -> Store:
        """This one, as what it stands for."""
        return cast("Store", self)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in {"aclose", "changed"}:
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            kind = self._plan(len(self.calls), name)
            self.calls.append(name)
            if kind is None:
                return await method(*args, **kwargs)
            self.faults += 1
            if kind == "before":
                raise StoreError(f"{name}: made to fail before")
            task = asyncio.ensure_future(method(*args, **kwargs))
            if kind == "after":
                await task
                raise StoreError(f"{name}: made to fail after")
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            raise asyncio.CancelledError

        return call
