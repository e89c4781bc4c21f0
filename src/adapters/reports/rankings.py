"""The table of rankings: three or more systems on the same examples."""

from __future__ import annotations

from collections.abc import Sequence

from ...messages.findings import Ranking
from .document import Cell, Table
from .numbers import count, figure, grouped, interval_text, percent

__all__ = ["ranking_table"]


def ranking_table(rankings: Sequence[Ranking]) -> Table | None:
    """One row for each system of each metric, strongest first; a ranking without systems has its reason."""
    rows = []
    for ranking in rankings:
        if not ranking.systems:
            reason = Cell(f"no ranking: {ranking.reason}")
            rows.append((Cell(ranking.metric), reason, *[Cell("")] * 3, Cell(count(ranking.n))))
        for found in ranking.systems:
            first, last = found.place
            mark = "best" if found.system == ranking.best else ""
            rows.append(
                (
                    Cell(ranking.metric),
                    Cell(found.system, detail=mark),
                    Cell(figure(found.strength), detail=interval_text(found.interval)),
                    Cell(percent(found.share_won)),
                    Cell(str(first) if first == last else f"{first} to {last}"),
                    Cell(count(ranking.n)),
                )
            )
    if not rows:
        return None
    return Table(
        caption="Ranking of all systems (Bradley-Terry log strength, mean 0)",
        heads=("metric", "system", "strength", "won", "place", "n"),
        rows=tuple(rows),
        numeric=frozenset({2, 3, 4, 5}),
        note="Won: examples with the better score against all others, ties half."
        " Place: what pairwise tests with Holm's correction leave open."
        f" {grouped((each.metric, each.method) for each in rankings if each.systems)}".rstrip(),
    )
