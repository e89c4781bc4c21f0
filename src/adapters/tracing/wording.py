"""How the spans of a trace are named and timed in what people read."""

from __future__ import annotations

from ..reports.numbers import duration

__all__ = ["time_text", "titled"]


def time_text(seconds: float) -> str:
    """``42.6 ms``, ``1.25 s``, ``3 min 20 s``."""
    if abs(seconds) < 1:
        return f"{1000 * seconds:.3g} ms" if abs(seconds) < 0.9995 else "1.00 s"
    return duration(seconds)


def titled(kind: str, name: str) -> str:
    """Kind and name, without saying the kind twice."""
    return name if name.split(" ", 1)[0] == kind else f"{kind} {name}"
