"""An event loop on simulated time: when nothing is ready, time jumps to the next timer.

Everything that asks the loop for the time lives in it: sleeps, time-outs, actors. Work for threads is done on
the spot, so that a run of the loop is the same every time. Nothing real may be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["LoopClock", "SimulatedLoop", "simulate"]

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Begins at time 0."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def run_in_executor(  # type: ignore[override]  # the stub's type variables say the same
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread would
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        if not self._ready:  # type: ignore[attr-defined]
            live = [handle for handle in scheduled if not handle._cancelled]
            if not live:
                raise RuntimeError("the simulation is stuck: nothing is ready and no timer is set")
            self._virtual = max(self._virtual, min(handle._when for handle in live))
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """The clock of an actor system in the running loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def attach(self, quiescent: Callable[[], Awaitable[None]]) -> None:
        pass


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to, in a loop of its own."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)
