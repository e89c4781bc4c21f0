"""Whether a confidence of 0.8 is right eight times in ten, and how to make it so.

Called on a validation split (fit) and on what is reported (apply, measure).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from ...messages.base import Message

__all__ = [
    "Calibration",
    "CalibrationBin",
    "CalibrationReport",
    "IsotonicCalibration",
    "TemperatureCalibration",
    "calibration_report",
    "fit_isotonic",
    "fit_temperature",
]

CLIP = 0.001
"""A temperature sees confidences in [CLIP, 1 - CLIP]: no confidence is beyond all doubt."""


class CalibrationBin(Message, frozen=True):
    """Answers whose confidence falls into [low, high), the last one into [low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None
    """Mean; None when the bin is empty."""
    accuracy: float | None


class CalibrationReport(Message, frozen=True):
    """Expected calibration error: the mean of |accuracy - confidence| over bins, weighted by their counts."""

    error: float | None
    """In [0, 1]; None without an answer."""
    brier: float | None
    """Mean squared difference of confidence and outcome."""
    bins: tuple[CalibrationBin, ...]


class IsotonicCalibration(Message, frozen=True):
    """A rising step function: confidences from ``thresholds[i]`` on become ``values[i]``."""

    thresholds: tuple[float, ...]
    values: tuple[float, ...]

    def apply(self, confidence: float) -> float:
        """The calibrated confidence; below the first threshold that of the first step."""
        return self.values[max(bisect_right(self.thresholds, confidence) - 1, 0)]


class TemperatureCalibration(Message, frozen=True):
    """sigmoid(logit(confidence) / temperature), Guo et al. 2017; above 1 it lowers confidence, 0.5 stays."""

    temperature: float
    """Infinite when the confidences say nothing: then all become 0.5."""

    def apply(self, confidence: float) -> float:
        """The calibrated confidence."""
        return _sigmoid(_logit(confidence) / self.temperature)


Calibration = IsotonicCalibration | TemperatureCalibration


def calibration_report(
    confidences: Sequence[float], correct: Sequence[bool], bins: int = 10
) -> CalibrationReport:
    """Bins of equal width (Guo et al. 2017).

    Raises:
        ValueError: a confidence is not in [0, 1], or the lengths differ.
    """
    _check(confidences, correct)
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in zip(confidences, correct, strict=True):
        groups[min(int(confidence * bins), bins - 1)].append((confidence, right))
    told = tuple(_bin(group, i / bins, (i + 1) / bins) for i, group in enumerate(groups))
    count = len(confidences)
    if not count:
        return CalibrationReport(error=None, brier=None, bins=told)
    gaps = [abs(math.fsum(confidence - right for confidence, right in group)) for group in groups]
    brier = math.fsum((c - right) ** 2 for c, right in zip(confidences, correct, strict=True)) / count
    return CalibrationReport(error=math.fsum(gaps) / count, brier=brier, bins=told)


def fit_isotonic(confidences: Sequence[float], correct: Sequence[bool]) -> IsotonicCalibration:
    """The rising function with the least squared error: pool adjacent violators (Ayer et al. 1955).

    Raises:
        ValueError: nothing to fit, a confidence is not in [0, 1], or the lengths differ.
    """
    _check(confidences, correct)
    if not confidences:
        raise ValueError("isotonic calibration: no answers to fit")
    tallies: dict[float, list[int]] = {}
    for confidence, right in zip(confidences, correct, strict=True):
        tally = tallies.setdefault(confidence, [0, 0])
        tally[0] += right
        tally[1] += 1
    blocks: list[tuple[float, int, int]] = []
    for confidence in sorted(tallies):
        start, (right_count, count) = confidence, tallies[confidence]
        while blocks and blocks[-1][1] * count >= right_count * blocks[-1][2]:
            start, before, more = blocks.pop()
            right_count, count = right_count + before, count + more
        blocks.append((start, right_count, count))
    return IsotonicCalibration(
        thresholds=tuple(start for start, _, _ in blocks),
        values=tuple(right / count for _, right, count in blocks),
    )


def fit_temperature(confidences: Sequence[float], correct: Sequence[bool]) -> TemperatureCalibration:
    """The temperature with the least log loss; the loss is convex in 1 / temperature.

    Raises:
        ValueError: nothing to fit, a confidence is not in [0, 1], or the lengths differ.
    """
    _check(confidences, correct)
    if not confidences:
        raise ValueError("temperature calibration: no answers to fit")
    pairs = [(_logit(confidence), right) for confidence, right in zip(confidences, correct, strict=True)]

    def slope(sharpness: float) -> float:
        return math.fsum(logit * (_sigmoid(sharpness * logit) - right) for logit, right in pairs)

    low, high = 0.0, 100.0
    if slope(low) >= 0:
        return TemperatureCalibration(temperature=math.inf)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return TemperatureCalibration(temperature=1 / high)


def _logit(confidence: float) -> float:
    kept = min(max(confidence, CLIP), 1 - CLIP)
    return math.log(kept) - math.log1p(-kept)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _bin(group: list[tuple[float, bool]], low: float, high: float) -> CalibrationBin:
    count = len(group)
    return CalibrationBin(
        low=low,
        high=high,
        count=count,
        confidence=math.fsum(confidence for confidence, _ in group) / count if count else None,
        accuracy=sum(right for _, right in group) / count if count else None,
    )


def _check(confidences: Sequence[float], correct: Sequence[bool]) -> None:
    if len(confidences) != len(correct):
        raise ValueError(f"{len(confidences)} confidences and {len(correct)} outcomes; expected as many")
    bad = next((value for value in confidences if not 0 <= value <= 1), None)
    if bad is not None:
        raise ValueError(f"confidence: expected a number in [0, 1], got {bad}")
