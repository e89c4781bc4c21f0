"""A store under test, with its clock in the test's hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.queue import FakeClock, daemon, new_run

from crucible.actors.store import Store
from crucible.messages.queue import Lease, QueuedRun


class Bench:
    """``store`` and its time; ``another`` is a second handle on the same queue, where there can be one."""

    def __init__(
        self,
        store: Store,
        clock: FakeClock,
        *,
        another: Store | None = None,
        show_time: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self.store = store
        self.another = another or store
        self._clock = clock
        self._show_time = show_time

    @property
    def now(self) -> float:
        return self._clock.now

    async def advance(self, seconds: float) -> None:
        self._clock.now += seconds
        if self._show_time is not None:
            await self._show_time(self._clock.now)

    async def queued(self, id_: str = "r1", **fields: Any) -> QueuedRun:
        return (await self.store.submit(new_run(id_, **fields))).run

    async def leased(self, id_: str = "r1", *, ttl_s: float = 30.0, **fields: Any) -> Lease:
        """A run that daemon d1 has just claimed."""
        await self.store.register(daemon(), max_interruptions=3)
        await self.queued(id_, **fields)
        (lease,) = await self.store.claim("d1", limit=1, ttl_s=ttl_s)
        return lease

    async def kinds(self, run_id: str | None = None) -> list[str]:
        return [event.kind for event in await self.store.events(run_id=run_id)]
