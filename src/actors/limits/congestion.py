"""How many requests a server takes at once: a congestion window. Pure.

The rule is DCTCP's (Alizadeh et al., *Data Center TCP*, SIGCOMM 2010), with the share of one round instead of
a moving average: after a round of as many answers as requests were in flight, the window shrinks by half the
share of them that said "too much" (429, 5xx, no answer in time), or grows by one when none did. A storm
halves it each round; a server that fails one request in a hundred by chance keeps a window of about 85.
Rejected: halving at any such answer, as TCP Reno does, keeps 14 in flight in that case.

At its ceiling the window limits nothing: what is in flight is then limited by whoever sends.
"""

from __future__ import annotations

__all__ = ["CongestionWindow"]


class CongestionWindow:
    """Counts what is in flight, and learns from how it ended."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = float(max(1, ceiling))
        self._size = self._ceiling
        self._epoch = 0
        self._seen = self._marked = self._peak = 0
        self.in_flight = 0
        self.cuts = 0
        self.smallest = self.size

    @property
    def size(self) -> int:
        """Requests that may be in flight."""
        return int(self._size)

    @property
    def open(self) -> bool:
        """Whether the window limits nothing."""
        return self._size >= self._ceiling

    def has_room(self) -> bool:
        """Whether one more request may be sent."""
        return self.open or self.in_flight < self.size

    def sent(self) -> int:
        """A request was sent; the number goes into ``ended``."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        return self._epoch

    def ended(self, epoch: int, *, overloaded: bool | None) -> None:
        """It is over; ``overloaded`` is None when that says nothing about the server.

        What was sent before the last cut says nothing about the window after it.
        """
        self.in_flight -= 1
        if overloaded is None or epoch != self._epoch:
            return
        self._seen += 1
        self._marked += overloaded
        used = max(1, min(self.size, self._peak))
        if self._seen < used:
            return
        if self._marked:
            self._size = max(1.0, used * (1 - self._marked / self._seen / 2))
            self._epoch += 1
            self.cuts += 1
            self.smallest = min(self.smallest, self.size)
        else:
            self._size = min(self._ceiling, self._size + 1)
        self._seen = self._marked = 0
        self._peak = self.in_flight
