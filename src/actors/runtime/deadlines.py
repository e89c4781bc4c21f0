"""Deadlines of asks: one queue and one timer per distinct timeout instead of one timer per ask.

Asks with equal timeouts fall due in the order they were made, so a dict used as a queue is enough: adding
and removing cost O(1), no heap. Odd timeouts beyond the first few dozen get a timer each.
"""

from __future__ import annotations

from .clock import Clock, TimerHandle
from .mailbox import Ask

__all__ = ["Deadlines"]

_MAX_LANES = 64


class _Lane:
    """The pending asks of one timeout, oldest first, with the time each falls due."""

    __slots__ = ("due", "timer")

    def __init__(self) -> None:
        self.due: dict[Ask, float] = {}
        self.timer: TimerHandle | None = None


class Deadlines:
    """Expires asks whose time is up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[float, _Lane] = {}
        self._single: dict[Ask, TimerHandle] = {}

    def add(self, ask: Ask, timeout_s: float) -> None:
        """Expire the ask in `timeout_s` seconds unless it is removed before."""
        lane = self._lanes.get(timeout_s)
        if lane is None:
            if len(self._lanes) >= _MAX_LANES:
                self._single[ask] = self._clock.call_later(timeout_s, ask.expire)
                return
            lane = self._lanes[timeout_s] = _Lane()
        lane.due[ask] = self._clock.now() + timeout_s
        if lane.timer is None:
            lane.timer = self._clock.call_later(timeout_s, lambda: self._fire(timeout_s, lane))

    def remove(self, ask: Ask) -> None:
        """Forget an ask that was answered."""
        assert ask.timeout_s is not None
        lane = self._lanes.get(ask.timeout_s)
        if lane is None or lane.due.pop(ask, None) is None:
            timer = self._single.pop(ask, None)
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Cancel all timers."""
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        for timer in self._single.values():
            timer.cancel()
        self._lanes.clear()
        self._single.clear()

    def _fire(self, timeout_s: float, lane: _Lane) -> None:
        """Expire what is due, and sleep until the next one; a lane without asks is dropped."""
        lane.timer = None
        now = self._clock.now()
        expired = []
        for ask, due in lane.due.items():
            if due > now:
                lane.timer = self._clock.call_later(due - now, lambda: self._fire(timeout_s, lane))
                break
            expired.append(ask)
        for ask in expired:
            del lane.due[ask]
            ask.expire()
        if not lane.due:
            self._lanes.pop(timeout_s, None)
