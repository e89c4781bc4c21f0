"""``report``: writes what the run leaves behind.

Samples are written as they arrive; the rest when everything is known. The stage keeps only the few samples
with the lowest and highest score for the reader of the report.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from ...messages.base import Message
from ...messages.control import Artifact
from ...messages.flow import Sample, StageResult
from ...messages.report import Excerpt, RunReport
from ..ports import ReportSink

__all__ = ["ExcerptPicker", "Report", "ReportOptions"]


class ReportOptions(Message, frozen=True):
    """Options of report; formats are in ``[[outputs]]``."""

    excerpts: Annotated[
        int, Meta(ge=0, le=100, description="Samples shown from each end of the ranking.")
    ] = 3
    rank_by: Annotated[
        str | None, Meta(description="Score that ranks the samples shown; default: the first that is there.")
    ] = None


class ExcerptPicker:
    """Keeps the samples with the lowest and the highest score of one system."""

    def __init__(self, options: ReportOptions, system: str, preferred: Sequence[str]) -> None:
        self._count = options.excerpts
        self._system = system
        self._ranking = (options.rank_by,) if options.rank_by else tuple(preferred)
        self._worst: list[tuple[float, int, str, Sample]] = []
        self._best: list[tuple[float, int, str, Sample]] = []
        self._seen = 0

    def add(self, sample: Sample) -> None:
        """Offer a sample; ties are broken by order of arrival, so the choice can be repeated."""
        ranked = self._rank(sample)
        self._seen += 1
        if ranked is None or self._count == 0:
            return
        metric, score = ranked
        _keep(self._worst, (-score, -self._seen, metric, sample), self._count)
        _keep(self._best, (score, -self._seen, metric, sample), self._count)

    def _rank(self, sample: Sample) -> tuple[str, float] | None:
        for scores in sample.scores:
            if scores.system == self._system:
                for metric in self._ranking or tuple(scores.scores):
                    value = scores.scores.get(metric)
                    if value is not None:
                        return metric, value
        return None

    def excerpts(self) -> tuple[Excerpt, ...]:
        """Worst first, then best; a sample that is both is shown once."""
        worst = sorted(self._worst, reverse=True)
        shown = {entry[1] for entry in worst}
        best = [entry for entry in sorted(self._best, reverse=True) if entry[1] not in shown]
        return (
            *(Excerpt(rank="worst", metric=m, score=-s, sample=sample) for s, _, m, sample in worst),
            *(Excerpt(rank="best", metric=m, score=s, sample=sample) for s, _, m, sample in best),
        )


def _keep(
    heap: list[tuple[float, int, str, Sample]], entry: tuple[float, int, str, Sample], count: int
) -> None:
    if len(heap) < count:
        heapq.heappush(heap, entry)
    elif entry[:2] > heap[0][:2]:
        heapq.heapreplace(heap, entry)


class Report:
    """Last stage of the pipeline."""

    restartable = False  # what is written is written

    def __init__(
        self,
        sink: ReportSink,
        picker: ExcerptPicker,
        compose: Callable[[Sequence[StageResult], tuple[Excerpt, ...]], RunReport],
    ) -> None:
        self._sink = sink
        self._picker = picker
        self._compose = compose
        self._artifacts: list[Artifact] = []

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Nothing goes on from here."""
        await asyncio.to_thread(self._sink.write_samples, samples)
        for sample in samples:
            self._picker.add(sample)
        return ()

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        """Write every format."""
        done = StageResult(stage="report", status="completed")
        report = self._compose([*upstream, done], self._picker.excerpts())
        artifacts = await asyncio.to_thread(self._sink.finish, report)
        return StageResult(
            stage="report",
            status="completed",
            metrics={"artifacts": [artifact.name for artifact in artifacts]},
        )
