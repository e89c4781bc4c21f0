"""Figures as readers want them: few digits, no noise, a dash for what does not exist."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...messages.findings import Interval

__all__ = [
    "NONE",
    "count",
    "duration",
    "figure",
    "grouped",
    "interval_text",
    "latency",
    "p_value",
    "percent",
    "plural",
]

NONE = "–"
MINUS = "−"


def figure(value: float | None) -> str:
    """Three decimals near 1, fewer for large values, scientific for tiny ones."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if (value == int(value) and size >= 10) or size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.1f}"
    elif size >= 0.001 or size == 0:
        text = f"{value:.3f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", MINUS)


def count(value: int) -> str:
    """A whole number with thousands separated."""
    return f"{value:,}".replace("-", MINUS)


def plural(value: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def percent(share: float) -> str:
    """``0.95`` as ``95 %``."""
    return f"{100 * share:.3g} %"


def p_value(value: float | None) -> str:
    """Three decimals, ``< 0.001`` below that."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval_text(interval: Interval | None) -> str:
    """``low to high``; empty without an interval."""
    return "" if interval is None else f"{figure(interval.low)} to {figure(interval.high)}"


def grouped(named: Iterable[tuple[str, str]]) -> str:
    """``method (name, name), method (name)`` from pairs of name and method; one method stands alone."""
    names: dict[str, list[str]] = {}
    for name, method in named:
        found = names.setdefault(method, [])
        if name not in found:
            found.append(name)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{method} ({', '.join(found)})" for method, found in names.items())


def latency(seconds: float) -> str:
    """``0.4 ms``, ``41.1 ms``, ``404 ms``, then as ``duration``."""
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else duration(seconds)


def duration(seconds: float) -> str:
    """``0.12 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
