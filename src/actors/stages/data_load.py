"""``data_load``: reads the data set in batches and sends them down the pipeline.

The data set was opened, scanned and split before the run began to spend anything; this stage only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta

from ...messages.base import Message
from ...messages.flow import Sample, StageResult
from ..ports import Dataset

__all__ = ["DataLoad", "DataLoadOptions"]


class DataLoadOptions(Message, frozen=True):
    """Options of data_load. Those of the loader itself are in ``[dataset.options]``."""

    batch_size: Annotated[
        int, Meta(ge=1, le=10_000, description="Rows that travel together through the pipeline.")
    ] = 32
    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Send only the first rows; default: all of them.")
    ] = None


class DataLoad:
    """Source of the pipeline."""

    def __init__(self, dataset: Dataset, options: DataLoadOptions) -> None:
        self._dataset = dataset
        self._options = options

    @property
    def total(self) -> int:
        """Rows that will be sent."""
        rows = len(self._dataset)
        return rows if self._options.limit is None else min(rows, self._options.limit)

    async def batches(self) -> AsyncIterator[tuple[Sample, ...]]:
        """The rows in file order; reading happens in a worker thread."""
        for start in range(0, self.total, self._options.batch_size):
            stop = min(start + self._options.batch_size, self.total)
            examples = await asyncio.to_thread(self._dataset.read, start, stop)
            yield tuple(Sample(example=example) for example in examples)

    async def finish(self) -> StageResult:
        """Facts of the data set."""
        facts = self._dataset.facts
        return StageResult(
            stage="data_load",
            status="completed",
            metrics={
                "dataset": facts.name,
                "rows": facts.rows,
                "bad_rows": facts.bad_rows,
                "splits": facts.splits,
                "sha256": facts.sha256,
                "sent": self.total,
            },
        )
