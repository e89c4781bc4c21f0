"""What every function of the library answers with, and how unfit input becomes a named reason.

``column`` and its siblings look at the input first and raise ``UnfitError``; ``tested`` and ``figured`` turn
that into a result without a value: a caller gets a status and a sentence, no crash and no silent number.
A wrong argument of the caller's own (an unknown name of a method) stays a ValueError.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import ParamSpec

import numpy as np

from ...messages.base import Message
from ...messages.findings import Interval, Status, TestResult
from .intervals import NO_SPREAD
from .pairs import Floats
from .sign_flip import Alternative
from .unfit import UnfitError, probability

__all__ = [
    "LARGEST",
    "Alternative",
    "Figure",
    "UnfitError",
    "column",
    "columns",
    "figured",
    "groups_of",
    "is_constant",
    "paired_columns",
    "probability",
    "tested",
    "without_spread",
]

P = ParamSpec("P")
NO_RESULT = "the computation has no finite result for these values"
NUMBERS = "biufO"
"""Kinds of arrays that are numbers; texts are none, though a float may be made of "0.5"."""
LARGEST = 1e100
"""Fourth powers do not fit a float much beyond it; below its inverse they vanish."""


class Figure(Message, frozen=True):
    """A number with its interval; ``value`` is None with a status and a reason where there is none."""

    name: str
    value: float | None
    n: int = 0
    """Observations (units, for agreement) behind it."""
    interval: Interval | None = None
    method: str = ""
    status: Status = "ok"
    reason: str | None = None
    notes: str = ""


def tested(name: str) -> Callable[[Callable[P, TestResult]], Callable[P, TestResult]]:
    """Turn ``UnfitError`` into a TestResult without a p value."""

    def decorate(function: Callable[P, TestResult]) -> Callable[P, TestResult]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> TestResult:
            try:
                result = function(*args, **kwargs)
                if result.p_value is not None and not math.isfinite(result.p_value):
                    raise UnfitError("not_a_number", NO_RESULT)
            except UnfitError as unfit:
                return TestResult(
                    name=name, statistic=None, p_value=None, status=unfit.status, reason=unfit.reason
                )
            return result

        return guarded

    return decorate


def figured(name: str) -> Callable[[Callable[P, Figure]], Callable[P, Figure]]:
    """Turn ``UnfitError`` into a Figure without a value."""

    def decorate(function: Callable[P, Figure]) -> Callable[P, Figure]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Figure:
            try:
                result = function(*args, **kwargs)
                if result.value is not None and not math.isfinite(result.value):
                    raise UnfitError("not_a_number", NO_RESULT)
            except UnfitError as unfit:
                return Figure(name=name, value=None, status=unfit.status, reason=unfit.reason)
            return result

        return guarded

    return decorate


def column(values: Sequence[float], name: str = "the sample", *, least: int = 2) -> Floats:
    """A column of at least ``least`` finite numbers."""
    found = _numbers(values)
    if found is None or found.ndim != 1:
        raise UnfitError("not_a_number", f"{name} is not a single column of numbers")
    undefined = int(np.isnan(found).sum())
    if undefined:
        raise UnfitError("not_a_number", f"{name} has {undefined} undefined of {len(found)} values (NaN)")
    if np.isinf(found).any():
        raise UnfitError("infinite", f"{name} has an infinite value")
    largest = float(np.abs(found).max(initial=0.0))
    if largest > LARGEST or 0.0 < largest < 1 / LARGEST:
        raise UnfitError("out_of_range", f"{name} has the size {largest:.0e}, whose square no float holds")
    if len(found) < least:
        raise UnfitError("too_few", f"{name} has {len(found)} of the {least} values that are needed")
    return found


def _numbers(values: Sequence[float]) -> Floats | None:
    """As floats; None for texts, complex numbers and rows of several lengths."""
    try:
        given = np.asarray(values)
        return np.asarray(given, dtype=float) if given.dtype.kind in NUMBERS else None
    except (TypeError, ValueError):
        return None


def columns(first: Sequence[float], second: Sequence[float], *, least: int = 2) -> tuple[Floats, Floats]:
    """Two independent columns."""
    return column(first, "the first sample", least=least), column(second, "the second sample", least=least)


def paired_columns(
    first: Sequence[float], second: Sequence[float], *, least: int = 2
) -> tuple[Floats, Floats]:
    """Two columns of the same length, row by row."""
    x, y = columns(first, second, least=least)
    if len(x) != len(y):
        raise UnfitError("unequal_lengths", f"pairs need equal lengths, not {len(x)} and {len(y)}")
    return x, y


def groups_of(groups: Sequence[Sequence[float]], *, least: int = 2) -> list[Floats]:
    """At least two columns."""
    if len(groups) < 2:
        raise UnfitError("one_group", f"{len(groups)} of the 2 groups that are needed")
    return [column(group, f"group {number}", least=least) for number, group in enumerate(groups, 1)]


def without_spread(groups: Sequence[Floats]) -> bool:
    """Whether every group is constant up to the rounding of the largest value of all."""
    scale = max(float(np.abs(group).max()) for group in groups)
    return all(float(np.ptp(group)) <= NO_SPREAD * scale for group in groups)


def is_constant(values: Floats) -> bool:
    """Whether all values are equal up to rounding."""
    return bool(np.ptp(values) <= NO_SPREAD * np.abs(values).max())
