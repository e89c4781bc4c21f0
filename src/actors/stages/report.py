"""``report``: writes what the run leaves behind.

Samples are written as they arrive; the rest when everything is known. Of the samples the stage keeps only the
few that a reader of the report will see (``report_picks``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...messages.flow import Sample, StageResult
from ...messages.report import Picks, RunReport
from ..ports import ReportSink
from .report_picks import DisagreementPicker, ExcerptPicker, ReportOptions, SlowestPicker

__all__ = ["Report", "ReportOptions"]


class Report:
    """Last stage of the pipeline."""

    restartable = False  # what is written is written

    def __init__(
        self,
        sink: ReportSink,
        pickers: tuple[ExcerptPicker, SlowestPicker, DisagreementPicker],
        compose: Callable[[Sequence[StageResult], Picks], RunReport],
    ) -> None:
        self._sink = sink
        self._pickers = pickers
        self._compose = compose
        self._received = 0

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Nothing goes on from here."""
        self._received += len(samples)
        await asyncio.to_thread(self._sink.write_samples, samples)
        for sample in samples:
            for picker in self._pickers:
                picker.add(sample)
        return ()

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        """Write every format. What this stage takes is not known before the report is written."""
        reason = "still at work when this was written; its time is in run.json"
        done = StageResult(stage="report", status="completed", received=self._received, reason=reason)
        excerpts, slowest, disagreements = self._pickers
        picks = Picks(
            excerpts=excerpts.excerpts(), slowest=slowest.requests(), disagreements=disagreements.rows()
        )
        report = self._compose([*upstream, done], picks)
        artifacts = await asyncio.to_thread(self._sink.finish, report)
        return StageResult(
            stage="report",
            status="completed",
            metrics={"artifacts": [artifact.name for artifact in artifacts]},
        )
