"""How many duplicates may be sent: a token bucket that no burst can exceed.

Called for every request and before every duplicate or retry (both share one budget). The unit is the
caller's: requests, tokens or money. Counted in whole millionths, so that nothing is gained by rounding.

At all times the duplicates sent cost at most ``percent`` % of the first requests, since the bucket starts
empty; and within any stretch at most ``percent`` % of the first requests of that stretch plus the burst.

Overload (429, 503, ``Retry-After``) empties the bucket and holds it shut for a while.
"""

from __future__ import annotations

import math

__all__ = ["HedgeBudget"]

_UNIT = 1_000_000


class HedgeBudget:
    """Every first request pays in a share of its cost; a duplicate takes out the whole of its own."""

    def __init__(self, percent: float, burst: float = 50.0, hold_s: float = 10.0) -> None:
        """Percent of the first requests' cost; ``burst`` is the most that is saved up, in the same unit.

        A small burst loses what calm stretches save: with 10 instead of 50 a policy that needs its whole
        budget is refused every twentieth duplicate, and the slow requests left alone make P99.9.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"budget_percent: expected 0 to 100, got {percent}")
        if burst < 0:
            raise ValueError(f"burst: expected a number >= 0, got {burst}")
        self._share = percent / 100
        self._cap = int(burst * _UNIT)
        self._hold_s = hold_s
        self._saved = 0
        self._shut_until = -math.inf

    @property
    def left(self) -> float:
        """What may be spent now, were the bucket not shut."""
        return self._saved / _UNIT

    def paused(self, now: float) -> bool:
        """Whether overload holds the bucket shut."""
        return now < self._shut_until

    def on_first(self, now: float, cost: float = 1.0) -> None:
        """A first request was sent; while the bucket is shut nothing is saved."""
        if not self.paused(now):
            self._saved = min(self._cap, self._saved + int(cost * self._share * _UNIT + 1e-6))

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Pay for a duplicate; False when there is not enough, and then nothing is taken."""
        price = math.ceil(cost * _UNIT - 1e-6)
        if self.paused(now) or price > self._saved:
            return False
        self._saved -= price
        return True

    def on_overload(self, now: float, retry_after_s: float | None = None) -> None:
        """Empty the bucket and shut it for ``hold_s``, or for as long as the server asks."""
        self._saved = 0
        self._shut_until = max(self._shut_until, now + max(self._hold_s, retry_after_s or 0.0))
