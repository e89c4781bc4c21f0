"""``analysis_metrics``: scores every output of every system against its example.

Scores come from the adapter, one set per output, each with the name of the method that produced it. Over
the set they are summarised with intervals that respect the groups of the data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.findings import Distribution, Metric
from ...messages.flow import Sample, StageResult
from ..distributions import histograms
from ..ports import MetricsAdapter, Statistics
from ..scores import ClusterIndex, Columns

__all__ = ["MetricsAnalysis"]


class MetricsAnalysis:
    """Scores per example and over the set."""

    restartable = True

    def __init__(
        self, adapter: MetricsAdapter, statistics: Statistics, config: StatsConfig, *, seed: int
    ) -> None:
        self._adapter = adapter
        self._statistics = statistics
        self._config = config
        self._seed = seed
        self._clusters = ClusterIndex()
        self._columns: dict[str, Columns] = {}

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with an OutputScores for each output."""
        done = await asyncio.to_thread(lambda: [self._score(sample) for sample in samples])
        for sample in done:
            if sample.outputs:
                self._note(sample)
        return done

    def _note(self, sample: Sample) -> None:
        """One row for each system, also where the adapter has no score: rows and groups stay lined up."""
        self._clusters.add(sample.example.group)
        found = {scores.system: scores for scores in sample.scores}
        for output in sample.outputs:
            columns = self._columns.get(output.system)
            if columns is None:
                columns = self._columns[output.system] = Columns(output.system, self._clusters)
            scores = found.get(output.system)
            columns.add(scores.scores if scores else {}, scores.methods if scores else {})

    def _score(self, sample: Sample) -> Sample:
        scores = (self._adapter.score(sample, output) for output in sample.outputs)
        return msgspec.structs.replace(sample, scores=tuple(s for s in scores if s is not None))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Means with intervals, and what the adapter derives from them."""
        if not any(columns.names() for columns in self._columns.values()):
            reason = "nothing was scored: no outputs, or the adapter is a no-op"
            return StageResult(stage="analysis_metrics", status="skipped", reason=reason)
        figures, derived, shapes = await asyncio.to_thread(self._summarize)
        return StageResult(
            stage="analysis_metrics",
            status="completed",
            metrics=derived,
            figures=tuple(figures),
            distributions=tuple(shapes),
        )

    def release(self) -> None:
        """Drop the columns."""
        self._columns, self._clusters = {}, ClusterIndex()

    def _summarize(self) -> tuple[list[Metric], dict[str, object], list[Distribution]]:
        figures = [
            summarize_column(
                self._statistics,
                columns,
                name,
                self._config,
                self._seed,
                bounded=name not in self._adapter.unbounded,
            )
            for columns in self._columns.values()
            for name in columns.names()
        ]
        derived: dict[str, object] = {
            system: self._adapter.summarize(columns) for system, columns in self._columns.items()
        }
        names = dict.fromkeys(name for columns in self._columns.values() for name in columns.names())
        shapes = [
            shape
            for name in names
            for shape in histograms(name, [(s, c.values(name)) for s, c in self._columns.items()])
        ]
        return figures, derived, shapes


def summarize_column(
    statistics: Statistics, columns: Columns, name: str, config: StatsConfig, seed: int, *, bounded: bool
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
    )
    return msgspec.structs.replace(metric, system=columns.system)
