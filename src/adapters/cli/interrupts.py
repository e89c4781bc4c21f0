"""Ctrl-C and SIGTERM while a run goes on.

The first one ends the run in order, and the command then leaves without waiting for threads that are still
at work. Another one, a second later or more, ends the program on the spot; sooner ones are the same keystroke
told twice (``timeout``, shells and terminals signal whole process groups).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from ...messages.errors import RunCancelledError

__all__ = ["INTERRUPTED", "Interrupts", "leave"]

T = TypeVar("T")

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_KEYSTROKE_S = 1.0
SHOW_CURSOR = "\x1b[?25h"


class Threads(ThreadPoolExecutor):
    """The event loop's threads; once given up, nobody waits for them."""

    given_up = False

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """As in the base class, but for the waiting."""
        super().shutdown(wait and not self.given_up, cancel_futures=cancel_futures or self.given_up)


class Interrupts:
    """Use as a context manager inside the event loop."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(thread_name_prefix="crucible")
        self._loop.set_default_executor(self._threads)
        self._end: Callable[[], object] = lambda: None
        self._tasks: list[asyncio.Task[Any]] = []
        self._at: float | None = None

    def __enter__(self) -> Self:
        """Listen."""
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more; after an interrupt the program is leaving, and another one changes nothing."""
        for number in SIGNALS:
            self._loop.remove_signal_handler(number)
            if self._at is not None:
                signal.signal(number, signal.SIG_IGN)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that an interrupt cancels. Raises RunCancelledError."""
        task = self._loop.create_task(work)
        self._end = task.cancel
        try:
            return await task
        except asyncio.CancelledError:
            raise RunCancelledError("interrupted before the run began") from None

    def ends_with(self, cancel: Callable[[str], Coroutine[Any, Any, object]]) -> None:
        """From now on an interrupt awaits ``cancel("interrupted")``."""
        self._end = lambda: self._tasks.append(self._loop.create_task(cancel("interrupted")))

    def _first(self) -> None:
        self._at = self._now()
        self._threads.given_up = True
        for number in SIGNALS:
            self._loop.remove_signal_handler(number)
            signal.signal(number, self._again)
        self._end()

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        if self._at is not None and self._now() - self._at >= SAME_KEYSTROKE_S:
            if sys.stderr.isatty():
                sys.stderr.write(SHOW_CURSOR)
            print("crucible: interrupted twice: the run was not ended in order", file=sys.stderr)
            leave(INTERRUPTED)


def leave(code: int) -> None:
    """End the process without waiting for its threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
