"""Tables of means: every figure of every system with its interval, its n and how both came about.

Used by the sections on scores and topology, so that a mean looks the same wherever it stands. Where there is
no interval, its column says why; long methods are letters with a list below the table.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...messages.findings import Metric
from .document import Cell, Table
from .glossary import named
from .letters import lettered
from .numbers import NONE, count, figure, interval_text

__all__ = ["interval_method", "mean_table", "shared", "value_cell"]

METHODS = ("scored by", "interval by")
CUTS = (", cut to [0, 1]", ", cut at 0")


def mean_table(caption: str, figures: Sequence[Metric], names: Sequence[str], order: Sequence[str]) -> Table:
    """One row for each metric in ``order``, one column for each system of ``names`` that has any."""
    by_key = {(metric.name, metric.system): metric for metric in figures}
    shown = [name for name in names if any((metric, name) in by_key for metric in order)]
    rows = []
    for name in order:
        row = [by_key.get((name, system)) for system in shown]
        present = [metric for metric in row if metric is not None]
        rows.append(
            (
                named(name),
                *(value_cell(metric) for metric in row),
                Cell(shared([count(metric.n) for metric in present])),
                Cell(shared([metric.method for metric in present])),
                Cell(_interval_methods(present)),
            )
        )
    table = Table(
        caption=caption,
        heads=("metric", *shown, "n", *METHODS),
        rows=tuple(rows),
        numeric=frozenset(range(1, len(shown) + 2)),
    )
    return lettered(table, METHODS)


def value_cell(metric: Metric | None) -> Cell:
    """The value with its interval below."""
    return Cell(NONE) if metric is None else Cell(figure(metric.value), detail=interval_text(metric.interval))


def interval_method(metric: Metric) -> str:
    """How the interval came about, or why there is none."""
    if metric.interval is not None:
        return metric.interval.method
    return f"none: {metric.reason}" if metric.reason else "none"


def shared(values: Sequence[str]) -> str:
    """The one value that all share, or all of them in the order of the systems."""
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def _interval_methods(figures: Sequence[Metric]) -> str:
    """Said once for all systems; that some limits were cut is said behind it."""
    methods = [interval_method(figure) for figure in figures]
    cut = next((cut for cut in CUTS if any(method.endswith(cut) for method in methods)), "")
    return shared([method.removesuffix(cut) for method in methods]) + cut
