"""Templates of the page: everything escaped, times and sizes in words, nothing marked safe.

All texts of runs are hostile: they go through ``visible`` (control and direction characters made visible) and
Jinja's autoescape. There is no way to switch that off in a template: the filter ``safe`` is taken away.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined

from ...reports.numbers import figure, p_value
from ...reports.text import visible

__all__ = ["render"]

SIGNS = {
    "queued": "◷",
    "running": "▶",
    "on": "◷",
    "paused": "‖",
    "completed": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "parked": "⚑",
    "waiting": "◷",
    "skipped": "–",
}


class _Packaged(BaseLoader):
    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:  # noqa: ARG002
        return (files(__package__) / "templates" / template).read_text(encoding="utf-8"), None, None


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=_Packaged(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    del environment.filters["safe"]
    environment.filters |= {
        "ago": ago,
        "span": span,
        "size": size,
        "stamp": stamp,
        "num": figure,
        "p": p_value,
    }
    environment.globals["signs"] = SIGNS
    return environment


def render(template: str, **context: Any) -> str:
    """A template with its context."""
    return _environment().get_template(template).render(**context)


def span(seconds: float | None) -> str:
    """A duration: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def ago(seconds: float) -> str:
    """How long something is past, or until it comes."""
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def stamp(at: float | None) -> str:
    """A point in time, UTC, ISO 8601."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def size(count: int) -> str:
    """Bytes in kB, MB, GB."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
