"""The refusal of input that cannot have a statistic; imports nothing heavy."""

from __future__ import annotations

import math

from ...messages.findings import Status

__all__ = ["UnfitError", "probability"]


class UnfitError(ValueError):
    """The input cannot have this statistic."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason


def probability(value: float, name: str, *, closed: bool = False) -> float:
    """A number in (0, 1), or in [0, 1] if ``closed``."""
    if math.isnan(value):
        raise UnfitError("not_a_number", f"{name} is not a number")
    if not (0.0 <= value <= 1.0 if closed else 0.0 < value < 1.0):
        raise UnfitError("out_of_range", f"{name} is {value:g}, outside {'[0, 1]' if closed else '(0, 1)'}")
    return value
