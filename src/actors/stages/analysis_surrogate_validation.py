"""``analysis_surrogate_validation``: β₁ and fragility of the claim graph of each single output."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from ...messages.flow import Sample, StageResult
from ..ports import Summary, SurrogateAdapter

__all__ = ["SurrogateValidation"]


class SurrogateValidation:
    """Cheap topology, per example."""

    restartable = True

    def __init__(self, adapter: SurrogateAdapter) -> None:
        self._adapter = adapter
        self._summaries: dict[str, Summary] = {}
        self._scored = 0

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with a SurrogateScore for each output."""
        done = await asyncio.to_thread(lambda: [self._score(sample) for sample in samples])
        for sample in done:
            for score in sample.surrogates:
                self._scored += 1
                self._summaries.setdefault(score.system, self._adapter.accumulator()).add(score)
        return done

    def _score(self, sample: Sample) -> Sample:
        scores = (self._adapter.score(sample, output) for output in sample.outputs)
        return msgspec.structs.replace(sample, surrogates=tuple(s for s in scores if s is not None))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """A summary for each system."""
        return StageResult(
            stage="analysis_surrogate_validation",
            status="completed" if self._scored else "skipped",
            reason=None if self._scored else "nothing was scored: no outputs, or the adapter is a no-op",
            metrics={system: summary.result() for system, summary in self._summaries.items()},
        )
