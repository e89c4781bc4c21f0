"""``report``: writes what the run leaves behind.

Samples are written as they arrive; the rest when everything is known. The stage keeps only the few samples
with the lowest and highest score for the reader of the report.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from ...messages.base import Message
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
    """Keeps the samples at both ends of the ranking of one system.

    All samples are ranked by one score: the one that was asked for, else the first of ``preferred`` that any
    sample has. A sample without that score is not shown, for no other score could be compared with it.
    """

    def __init__(
        self,
        options: ReportOptions,
        system: str,
        preferred: Sequence[str],
        directions: Mapping[str, str] | None = None,
    ) -> None:
        self._count = options.excerpts
        self._system = system
        self._ranking = (options.rank_by,) if options.rank_by else tuple(preferred)
        self._directions = directions or {}
        self._ends: dict[str, _Ends] = {}
        self._seen = 0

    def add(self, sample: Sample) -> None:
        """Offer a sample; ties are broken by order of arrival, so the choice can be repeated."""
        self._seen += 1
        if self._count == 0:
            return
        for scores in sample.scores:
            if scores.system == self._system:
                for metric in self._ranking or tuple(scores.scores):
                    value = scores.scores.get(metric)
                    if value is not None:
                        self._ends.setdefault(metric, _Ends(self._count)).add(value, self._seen, sample)

    def excerpts(self) -> tuple[Excerpt, ...]:
        """Worst first, then best; a sample that is both is shown once."""
        metric = next((name for name in self._ranking or tuple(self._ends) if name in self._ends), None)
        if metric is None:
            return ()
        worst, best = self._ends[metric].ordered()
        if self._directions.get(metric) == "lower":
            worst, best = best, worst
        shown = {number for _, number, _ in worst}
        return (
            *(Excerpt(rank="worst", metric=metric, score=v, sample=sample) for v, _, sample in worst),
            *(Excerpt(rank="best", metric=metric, score=v, sample=s) for v, n, s in best if n not in shown),
        )


class _Ends:
    """The samples with the lowest and the highest values of one score."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._low: list[tuple[float, int, Sample]] = []
        self._high: list[tuple[float, int, Sample]] = []

    def add(self, value: float, number: int, sample: Sample) -> None:
        """Offer the sample that arrived as ``number``."""
        _keep(self._low, (-value, -number, sample), self._count)
        _keep(self._high, (value, -number, sample), self._count)

    def ordered(self) -> tuple[list[tuple[float, int, Sample]], list[tuple[float, int, Sample]]]:
        """Value, number and sample of the lowest, rising, and of the highest, falling."""
        low = [(-v, -n, sample) for v, n, sample in sorted(self._low, key=_key, reverse=True)]
        return low, [(v, -n, sample) for v, n, sample in sorted(self._high, key=_key, reverse=True)]


def _key(entry: tuple[float, int, Sample]) -> tuple[float, int]:
    return entry[:2]


def _keep(heap: list[tuple[float, int, Sample]], entry: tuple[float, int, Sample], count: int) -> None:
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
        self._received = 0

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Nothing goes on from here."""
        self._received += len(samples)
        await asyncio.to_thread(self._sink.write_samples, samples)
        for sample in samples:
            self._picker.add(sample)
        return ()

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        """Write every format. What this stage takes is not known before the report is written."""
        reason = "still at work when this was written; its time is in run.json"
        done = StageResult(stage="report", status="completed", received=self._received, reason=reason)
        report = self._compose([*upstream, done], self._picker.excerpts())
        artifacts = await asyncio.to_thread(self._sink.finish, report)
        return StageResult(
            stage="report",
            status="completed",
            metrics={"artifacts": [artifact.name for artifact in artifacts]},
        )
