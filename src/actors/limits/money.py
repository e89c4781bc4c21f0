"""The money of a run: what a request may cost is set aside before it is sent, and settled after. Pure.

One for all systems of a run. In whole nano-dollars, rounded against the run, so that nothing is gained by
rounding. What was spent and what is set aside never come to more than the limit, unless an answer costs more
than it could by the prices that were given; that is counted as ``overrun``.
"""

from __future__ import annotations

import math

__all__ = ["Money", "nano"]

_NANO = 1_000_000_000


def nano(usd: float) -> int:
    """Nano-dollars, rounded up."""
    return math.ceil(usd * _NANO - 1e-6)


class Money:
    """Spent, set aside and left; amounts are nano-dollars."""

    def __init__(self, limit_usd: float) -> None:
        self._limit = math.floor(limit_usd * _NANO + 1e-6)
        self.limit_usd = limit_usd
        self.spent = 0
        self.set_aside = 0
        self.unknown = 0
        """Part of ``spent``: requests that may have been charged, though no answer said so."""
        self.overrun = 0
        self.stopped: str | None = None
        """One line, once a request did not fit and no open one could make room. Then nothing is sent."""

    def fits(self, most: int) -> bool:
        """Whether a request that may cost so much can be sent."""
        return self.stopped is None and self.spent + self.set_aside + most <= self._limit

    def hopeless(self, most: int) -> bool:
        """Whether it does not fit and never will."""
        return not self.fits(most) and not self.set_aside

    def reserve(self, most: int) -> None:
        """Set aside what fits."""
        self.set_aside += most

    def settle(self, most: int, real: int | None) -> None:
        """A request is over: it cost ``real``, or nobody knows (None) and the most is taken to be spent."""
        self.set_aside -= most
        if real is None:
            self.unknown += most
        self.spent += most if real is None else real
        self.overrun += max(0, 0 if real is None else real - most)

    def stop(self, most: int) -> None:
        """No request is sent from now on."""
        if self.stopped is None:
            self.stopped = (
                f"the money budget of ${self.limit_usd:g} is used up: up to ${self.spent / _NANO:.6g} is "
                f"spent, and the next request may cost up to ${most / _NANO:.6g}"
            )
