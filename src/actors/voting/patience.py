"""How long an ensemble waits for one of its members: ``timeout_ms`` of the ensemble.

Called by the ensemble actor for a vote, and by the ensemble for the rows that it learns from. The time runs
from when the member is sent the question: waiting for a slot or for the limits is not the member's fault.
Retries and waits of an open circuit breaker are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...messages.records import Output
from ..limits import Watcher
from ..runtime.clock import Clock, TimerHandle

__all__ = ["Patience"]


class Patience(Watcher):
    """With one member, for one question."""

    def __init__(
        self, timeout_s: float | None, clock: Clock, on_sent: Callable[[], object] = lambda: None
    ) -> None:
        """``timeout_s`` None: without end. ``on_sent`` is called when the question is sent, and again."""
        self._timeout_s = timeout_s
        self._clock = clock
        self._on_sent = on_sent
        self._task: asyncio.Task[object] | None = None
        self._timer: TimerHandle | None = None
        self._late = False
        self._failed = ""

    def sent(self) -> None:
        """The time begins."""
        self._on_sent()
        if self._timeout_s is not None and self._timer is None:
            self._timer = self._clock.call_later(self._timeout_s, self._expire)

    def failed(self, why: str) -> None:
        """Why there is no answer yet."""
        self._failed = why

    async def wait(self, asking: Awaitable[Output], member: str, example_id: str) -> Output:
        """The answer, or a failure when it took too long; needs a task of its own."""
        self._task = asyncio.current_task()
        try:
            return await asking
        except asyncio.CancelledError:
            if not self._late or self._task is None or self._task.uncancel() > 0:
                raise  # somebody else cancelled it
            timeout_s = self._timeout_s or 0.0
            meanwhile = f"; before that {self._failed}" if self._failed else ""
            return Output(
                example_id=example_id,
                system=member,
                backend="",
                finish_reason="error",
                latency_s=timeout_s,
                error=f"TimedOutError: no answer within {timeout_s * 1000:g} ms{meanwhile}",
            )
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _expire(self) -> None:
        if self._task is not None:
            self._late = True
            self._task.cancel()
