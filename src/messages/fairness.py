"""Rates of groups and how far they lie apart."""

from typing import Literal

from .base import Message
from .findings import Interval, Status

__all__ = ["CRITERIA", "Criterion", "FairnessResult", "GroupGap", "GroupRate", "RateName"]

Criterion = Literal["demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity"]
CRITERIA: tuple[Criterion, ...] = (
    "demographic_parity",
    "equalized_odds",
    "equal_opportunity",
    "predictive_parity",
)
RateName = Literal["selection_rate", "true_positive_rate", "false_positive_rate", "precision"]


class GroupRate(Message, frozen=True):
    """One rate of one group; ``value`` is None with a status and a reason where no row counts for it."""

    rate: RateName
    group: str
    value: float | None
    n: int
    """Rows that count for the rate: of the true positive rate, those whose label is positive."""
    interval: Interval | None = None
    status: Status = "ok"
    """``too_few``: shown, but not compared."""
    reason: str | None = None


class GroupGap(Message, frozen=True):
    """The widest gap between two groups on one criterion."""

    criterion: Criterion
    measure: Literal["difference", "ratio"]
    """difference: highest rate minus lowest; ratio: lowest rate over highest."""
    value: float | None
    n: int
    """Rows of the groups that were compared."""
    interval: Interval | None = None
    lowest: str | None = None
    highest: str | None = None
    verdict: Literal["exceeds", "within", "undecided"] = "undecided"
    """Of a difference: whether the whole interval lies above the threshold, up to it, or neither."""
    status: Status = "ok"
    reason: str | None = None


class FairnessResult(Message, frozen=True):
    """What one system's answers do to the groups."""

    system: str
    rates: tuple[GroupRate, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
