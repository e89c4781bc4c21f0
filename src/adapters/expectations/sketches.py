"""Summaries of streams in fixed memory: quantiles from a reservoir, distinct values from least hashes.

Both are exact while the stream is small and say when they are not. Seeded, and hashed with BLAKE2b rather
than ``hash``, so the same data give the same figures in every process.
"""

from __future__ import annotations

import heapq
import math
import random
from hashlib import blake2b
from typing import Any

__all__ = ["RESERVOIR_SIZE", "DistinctSketch", "Summary"]

RESERVOIR_SIZE = 1000
DISTINCT_SIZE = 1024
_SEED = 0


class Summary:
    """Count, extremes, mean and spread of numbers, exactly; quantiles from a reservoir.

    Mean and spread: Welford 1962. Reservoir: Vitter 1985, algorithm R. A t-digest has smaller errors in the
    far tail but is an order of magnitude more code.
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self._squares = 0.0
        self._low, self._high = math.inf, -math.inf
        self._reservoir: list[float] = []
        self._random = random.Random(_SEED)

    def add(self, value: float) -> None:
        """Take in one finite number."""
        self.n += 1
        difference = value - self.mean
        self.mean += difference / self.n
        self._squares += difference * (value - self.mean)
        self._low, self._high = min(self._low, value), max(self._high, value)
        if len(self._reservoir) < RESERVOIR_SIZE:
            self._reservoir.append(value)
        elif (place := int(self._random.random() * self.n)) < RESERVOIR_SIZE:
            self._reservoir[place] = value

    def quantile(self, share: float) -> float:
        """Linear interpolation between order statistics (Hyndman & Fan 1996, type 7)."""
        ordered = sorted(self._reservoir)
        place = share * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    def report(self) -> dict[str, Any] | None:
        """JSON-ready figures; None when nothing was added. ``stdev`` is None for a single number."""
        if not self.n:
            return None
        return {
            "n": self.n,
            "min": self._low,
            "mean": self.mean,
            "stdev": math.sqrt(self._squares / (self.n - 1)) if self.n > 1 else None,
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": self._high,
            "quantiles_exact": self.n <= RESERVOIR_SIZE,
        }


class DistinctSketch:
    """Number of distinct strings from the 1,024 least of their hashes (Bar-Yossef et al. 2002).

    Exact up to 1,023 distinct strings, then with a relative standard error of about 3 %.
    """

    def __init__(self) -> None:
        self._least: list[int] = []  # negated, so that the greatest of the least is at hand
        self._members: set[int] = set()

    def add(self, text: str) -> None:
        """Take in one string."""
        hashed = int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
        if hashed in self._members:
            return
        if len(self._least) < DISTINCT_SIZE:
            heapq.heappush(self._least, -hashed)
            self._members.add(hashed)
        elif hashed < -self._least[0]:
            self._members.discard(-heapq.heapreplace(self._least, -hashed))
            self._members.add(hashed)

    @property
    def exact(self) -> bool:
        """Whether ``count`` is exact."""
        return len(self._least) < DISTINCT_SIZE

    @property
    def count(self) -> int:
        """Distinct strings so far; (k - 1) / k-th least hash (Beyer et al. 2007) when estimated."""
        if self.exact:
            return len(self._least)
        return round((DISTINCT_SIZE - 1) * 2.0**64 / -self._least[0])
