"""Deadlines of asks: one queue and one timer per distinct timeout instead of one timer per ask.

Asks with equal timeouts fall due in the order they were made, so a dict used as a queue is enough: adding and
removing cost O(1), no heap. Odd timeouts beyond the first few dozen get a timer each.
"""

from __future__ import annotations

from .clock import Clock, TimerHandle
from .mailbox import Ask

__all__ = ["Deadlines"]

_MAX_LANES = 64


class Deadlines:
    """Expires asks whose time is up.

    `lanes` maps a timeout to its pending asks, oldest first, each with the time it falls due. A lane that is
    there has a timer running, so whoever finds one may add an ask to it without further ado.
    """

    def __init__(self, clock: Clock) -> None:
        self.lanes: dict[float, dict[Ask, float]] = {}
        self.now = clock.now
        self._clock = clock
        self._timers: dict[float, TimerHandle] = {}
        self._single: dict[Ask, TimerHandle] = {}

    def add(self, ask: Ask, timeout_s: float) -> None:
        """Expire the ask in `timeout_s` seconds unless it is removed before. There is no lane for it yet."""
        if len(self.lanes) >= _MAX_LANES:
            self._single[ask] = self._clock.call_later(timeout_s, lambda: self._expire_single(ask))
            return
        self.lanes[timeout_s] = {ask: self.now() + timeout_s}
        self._set_timer(timeout_s, timeout_s)

    def remove(self, ask: Ask) -> None:
        """Forget an ask that has ended."""
        lane = self.lanes.get(ask.timeout_s) if ask.timeout_s is not None else None
        if lane is None or lane.pop(ask, None) is None:
            timer = self._single.pop(ask, None)
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Cancel all timers."""
        for timer in (*self._timers.values(), *self._single.values()):
            timer.cancel()
        self.lanes.clear()
        self._timers.clear()
        self._single.clear()

    def _set_timer(self, timeout_s: float, delay_s: float) -> None:
        self._timers[timeout_s] = self._clock.call_later(delay_s, lambda: self._fire(timeout_s))

    def _fire(self, timeout_s: float) -> None:
        """Expire what is due, and sleep until the next one; a lane without asks is dropped."""
        lane = self.lanes[timeout_s]
        now = self.now()
        expired = []
        for ask, due in lane.items():
            if due > now:
                self._set_timer(timeout_s, due - now)
                break
            expired.append(ask)
        for ask in expired:
            del lane[ask]
        if not lane:
            del self.lanes[timeout_s]
            del self._timers[timeout_s]
        for ask in expired:
            ask.expire()

    def _expire_single(self, ask: Ask) -> None:
        del self._single[ask]
        ask.expire()
