"""A running mean, all that the summaries need to keep."""

from __future__ import annotations

__all__ = ["RunningMean"]


class RunningMean:
    """Sum and count of the defined values, compensated as by Neumaier (1974)."""

    __slots__ = ("_lost", "_sum", "n")

    def __init__(self) -> None:
        self._sum = 0.0
        self._lost = 0.0
        self.n = 0

    def add(self, value: float | None) -> None:
        """Take a value in; None is left out."""
        if value is None:
            return
        total = self._sum + value
        large, small = (self._sum, value) if abs(self._sum) >= abs(value) else (value, self._sum)
        self._lost += (large - total) + small
        self._sum = total
        self.n += 1

    def result(self) -> float | None:
        """The mean so far, None without a value."""
        return (self._sum + self._lost) / self.n if self.n else None
