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
from ..ports import HasCounts, MetricsAdapter, Statistics
from .columns import SystemColumns

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
        self._columns = SystemColumns()

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with an OutputScores for each output."""
        done = await asyncio.to_thread(lambda: [self._score(sample) for sample in samples])
        for sample in done:
            if sample.outputs:
                self._columns.add(sample, sample.scores)
        return done

    def _score(self, sample: Sample) -> Sample:
        scores = (self._adapter.score(sample, output) for output in sample.outputs)
        return msgspec.structs.replace(sample, scores=tuple(s for s in scores if s is not None))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Means with intervals, and what the adapter derives from them."""
        if self._columns.empty:
            reason = "nothing was scored: no outputs, or the adapter is a no-op"
            return StageResult(stage="analysis_metrics", status="skipped", reason=reason)
        figures, derived, shapes = await asyncio.to_thread(self._summarize)
        return StageResult(
            stage="analysis_metrics",
            status="completed",
            metrics=derived,
            figures=figures,
            distributions=tuple(shapes),
        )

    def release(self) -> None:
        """Drop the columns."""
        self._columns = SystemColumns()

    def _summarize(self) -> tuple[tuple[Metric, ...], dict[str, object], list[Distribution]]:
        figures = self._columns.summarize(
            self._statistics,
            self._config,
            self._seed,
            unbounded=self._adapter.unbounded,
            counts=self._adapter.counts if isinstance(self._adapter, HasCounts) else frozenset(),
        )
        derived: dict[str, object] = {
            columns.system: self._adapter.summarize(columns) for columns in self._columns
        }
        names = dict.fromkeys(name for columns in self._columns for name in columns.names())
        shapes = [
            shape
            for name in names
            for shape in histograms(name, [(c.system, c.values(name)) for c in self._columns])
        ]
        return figures, derived, shapes
