"""Scores of all systems, row by row, for the stages that give means over the set.

Used by the analysis stages. A row in which a system has no score counts as undefined for it, so that columns
stay lined up with each other and with the groups of the examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.findings import Metric, OutputScores
from ...messages.flow import Sample
from ..ports import Statistics
from ..scores import ClusterIndex, Columns

__all__ = ["SystemColumns", "summarize_column"]

NOTHING = OutputScores(system="", scores={})


class SystemColumns:
    """The columns of each system that answered."""

    def __init__(self) -> None:
        self._clusters = ClusterIndex()
        self._columns: dict[str, Columns] = {}
        self._rows = 0

    def add(self, sample: Sample, found: Iterable[OutputScores]) -> None:
        """One row; ``found`` has what is known of the sample's outputs."""
        self._clusters.add(sample.example.group)
        for output in sample.outputs:
            if output.system not in self._columns:
                self._columns[output.system] = Columns(output.system, self._clusters, self._rows)
        known = {scores.system: scores for scores in found}
        for system, columns in self._columns.items():
            scores = known.get(system, NOTHING)
            columns.add(scores.scores, scores.methods)
        self._rows += 1

    def __iter__(self) -> Iterator[Columns]:
        return iter(self._columns.values())

    @property
    def empty(self) -> bool:
        """Whether no system has a score."""
        return not any(columns.names() for columns in self)

    def summarize(
        self,
        statistics: Statistics,
        config: StatsConfig,
        seed: int,
        *,
        unbounded: frozenset[str] = frozenset(),
        counts: frozenset[str],
    ) -> tuple[Metric, ...]:
        """Every mean with its interval. ``unbounded`` may lie outside [0, 1]; ``counts`` only above 1."""
        return tuple(
            summarize_column(
                statistics,
                columns,
                name,
                config,
                seed,
                bounded=name not in unbounded and name not in counts,
                floor=0.0 if name in counts else None,
            )
            for columns in self
            for name in columns.names()
        )


def summarize_column(
    statistics: Statistics,
    columns: Columns,
    name: str,
    config: StatsConfig,
    seed: int,
    *,
    bounded: bool,
    floor: float | None = None,
) -> Metric:
    """Mean of one column with its interval, labelled with the system."""
    metric = statistics.summarize(
        name,
        columns.values(name),
        clusters=columns.clusters(),
        method=columns.method(name),
        config=config,
        seed=seed,
        bounded=bounded,
        floor=floor,
    )
    return msgspec.structs.replace(metric, system=columns.system)
