"""The table of comparisons that could be looked at while the run went on."""

from __future__ import annotations

from ...messages.report import RunReport
from .document import Cell, Table
from .numbers import NONE, count, figure, interval_text, p_value

__all__ = ["watched_table"]


def watched_table(report: RunReport) -> Table | None:
    """One row for each watched comparison; None when nothing was watched."""
    found = [watched for stage in report.stages for watched in stage.watched]
    if not found:
        return None
    rows = tuple(
        (
            Cell(each.metric),
            Cell(each.baseline),
            Cell(figure(each.difference), detail=interval_text(each.interval)),
            Cell(p_value(each.p_value)),
            Cell(count(each.n)),
            Cell(NONE if each.decided_after is None else count(each.decided_after)),
            Cell(each.reason or each.method),
        )
        for each in found
    )
    return Table(
        caption="Watched while the run went on",
        heads=("metric", "baseline", "difference", "p at any time", "n", "decided after", "how"),
        rows=rows,
        numeric=frozenset({2, 3, 4, 5}),
        note="One example of each group counts. These hold however often one looks and whenever one stops;"
        " the price is that they are wider than those above.",
    )
