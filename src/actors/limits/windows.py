"""A limit on an amount in any stretch of a minute: a sliding-window log. Pure.

Called by the gate for requests and for tokens. The log is exact: no window of 60 s, wherever it begins, holds
more than the limit. A token bucket, which needs no log, would let through up to twice as much in a window
that begins with a full bucket. Eighty bytes for each entry of the last minute.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Entry", "SlidingWindow"]

WINDOW_S = 60.0


class Entry:
    """An amount that was taken."""

    __slots__ = ("amount", "at", "expired")

    def __init__(self, at: float, amount: int) -> None:
        self.at = at
        self.amount = amount
        self.expired = False


class SlidingWindow:
    """At most ``limit`` in any half-open window of ``window_s`` seconds. Times must not run backwards."""

    def __init__(self, limit: int, window_s: float = WINDOW_S) -> None:
        self._limit = limit
        self._window_s = window_s
        self._entries: deque[Entry] = deque()
        self._sum = 0

    def ready_at(self, now: float, amount: int = 1) -> float:
        """The time from which the amount fits; ``now`` when it does already.

        An amount above the limit fits when the window is empty: it could never be sent otherwise.
        """
        self._expire(now)
        over = self._sum + min(amount, self._limit) - self._limit
        if over <= 0:
            return now
        for entry in self._entries:
            over -= entry.amount
            if over <= 0:
                return entry.at + self._window_s
        return now  # not reached: without its entries the window is empty

    def take(self, now: float, amount: int = 1) -> Entry:
        """Enter an amount that fits."""
        entry = Entry(now, min(amount, self._limit))
        self._entries.append(entry)
        self._sum += entry.amount
        return entry

    def settle(self, entry: Entry, amount: int) -> None:
        """The amount turned out to be another one; 0 when nothing was sent after all."""
        if not entry.expired:
            self._sum += amount - entry.amount
            entry.amount = amount

    def _expire(self, now: float) -> None:
        entries = self._entries
        while entries and entries[0].at + self._window_s <= now:
            entry = entries.popleft()
            entry.expired = True
            self._sum -= entry.amount
