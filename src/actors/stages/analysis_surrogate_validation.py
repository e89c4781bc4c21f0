"""``analysis_surrogate_validation``: β₁ and fragility of the claim graph of each single output.

Scores come from the adapter. Over the set they have means with intervals that respect the groups of the data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.flow import Sample, StageResult
from ..ports import Statistics, SurrogateAdapter
from .columns import SystemColumns

__all__ = ["SurrogateValidation"]


class SurrogateValidation:
    """Cheap topology, per example."""

    restartable = True

    def __init__(
        self, adapter: SurrogateAdapter, statistics: Statistics, config: StatsConfig, *, seed: int
    ) -> None:
        self._adapter = adapter
        self._statistics = statistics
        self._config = config
        self._seed = seed
        self._columns = SystemColumns()

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with a SurrogateScore for each output."""
        done = await asyncio.to_thread(lambda: [self._score(sample) for sample in samples])
        for sample in done:
            if sample.outputs:
                self._columns.add(sample, map(self._adapter.measure, sample.surrogates))
        return done

    def _score(self, sample: Sample) -> Sample:
        scores = (self._adapter.score(sample, output) for output in sample.outputs)
        return msgspec.structs.replace(sample, surrogates=tuple(s for s in scores if s is not None))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Means with intervals for each system."""
        if self._columns.empty:
            return StageResult(
                stage="analysis_surrogate_validation",
                status="skipped",
                reason="nothing was scored: no outputs, or the adapter is a no-op",
            )
        described = await asyncio.to_thread(
            self._columns.summarize,
            self._statistics,
            self._config,
            self._seed,
            counts=self._adapter.unbounded,
        )
        return StageResult(
            stage="analysis_surrogate_validation",
            status="completed",
            metrics={columns.system: self._adapter.summarize(columns) for columns in self._columns},
            described=described,
        )

    def release(self) -> None:
        """Drop the columns."""
        self._columns = SystemColumns()
