"""What a duplicate costs, in units of a mean request: one, or as many tokens or as much money as it takes.

Called by the pool for its budget. Learned from the answers, by size class; until a class has an answer its
requests count as one.
"""

from __future__ import annotations

from typing import Literal

from .size_class import SizeClass

__all__ = ["UnitPrices"]


class UnitPrices:
    """Mean spending by size class."""

    def __init__(self, unit: Literal["requests", "tokens", "cost"]) -> None:
        self._unit = unit
        self._sums: dict[SizeClass, tuple[float, int]] = {}
        self._total, self._count = 0.0, 0

    def add(self, size: SizeClass, tokens: int, cost_usd: float | None) -> None:
        """An answer was paid for."""
        spent = tokens if self._unit == "tokens" else cost_usd if self._unit == "cost" else None
        if spent is not None:
            total, count = self._sums.get(size, (0.0, 0))
            self._sums[size] = (total + spent, count + 1)
            self._total, self._count = self._total + spent, self._count + 1

    def of(self, size: SizeClass) -> float:
        """The price of a request of this class."""
        if not self._total:
            return 1.0
        total, count = self._sums.get(size, (0.0, 0))
        if not count:
            return 1.0
        return (total / count) / (self._total / self._count)
