"""What came of a run in one table: means by system, and how the model stands to its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....messages.findings import Comparison, Metric
from ....messages.flow import StageResult

__all__ = ["ResultRow", "ResultTable", "result_table"]

MOST_ROWS = 8


@dataclass(frozen=True)
class ResultRow:
    """One metric."""

    metric: str
    figures: tuple[Metric | None, ...]
    """By system, in the order of the table."""
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class ResultTable:
    """The model first, then its baselines; of many metrics those that are compared."""

    systems: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    more: int
    """Metrics that are in the report only."""


def result_table(
    stages: Sequence[StageResult], systems: Sequence[str], wanted: Sequence[str]
) -> ResultTable | None:
    """Of the stages that have ended; None while there is no mean of the model."""
    figures = {
        (figure.name, figure.system): figure
        for stage in stages
        for figure in stage.figures
        if figure.system in systems
    }
    comparisons = [each for stage in stages for each in stage.comparisons]
    names = list(dict.fromkeys(name for name, system in figures if system == systems[0]))
    compared = [name for name in dict.fromkeys((*wanted, *(c.metric for c in comparisons))) if name in names]
    chosen = (compared or names)[:MOST_ROWS]
    if not chosen:
        return None
    rows = [
        ResultRow(
            metric=name,
            figures=tuple(figures.get((name, system)) for system in systems),
            comparisons=tuple(each for each in comparisons if each.metric == name),
        )
        for name in chosen
    ]
    return ResultTable(tuple(systems), tuple(rows), len(names) - len(chosen))
