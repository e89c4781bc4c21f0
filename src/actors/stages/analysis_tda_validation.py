"""``analysis_tda_validation``: persistent homology of claim embeddings.

Each output with enough claims gets a diagram of its own; all claims of a system together get one more.
Of a large set a seeded uniform sample of ``max_points`` claims is taken (reservoir sampling, Vitter 1985),
and the result says so. The engine underneath holds the interpreter lock, so a cloud of more than
``INLINE_POINTS`` points is worked on in another process.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.findings import Correlation, PersistenceResult
from ...messages.flow import Sample, StageResult
from ..offload import in_process
from ..ports import Agreement, ChecksSurrogates, ComparesShapes, Statistics, TdaAdapter
from .columns import SystemColumns

__all__ = ["Reservoir", "TdaValidation"]

INLINE_POINTS = 150


class Reservoir:
    """A uniform sample of bounded size of a stream of vectors."""

    def __init__(self, capacity: int, seed: int) -> None:
        self._capacity = capacity
        self._random = random.Random(seed)
        self.points: list[Any] = []
        self.seen = 0

    def add(self, points: Any) -> None:
        """Offer the rows of an array of shape (n, d)."""
        for point in points:
            self.seen += 1
            if len(self.points) < self._capacity:
                self.points.append(point.copy())
            else:
                slot = self._random.randrange(self.seen)
                if slot < self._capacity:
                    self.points[slot] = point.copy()


class TdaValidation:
    """Persistence per example and for the whole set."""

    restartable = True

    def __init__(
        self,
        adapter: TdaAdapter,
        statistics: Statistics,
        config: StatsConfig,
        *,
        min_points: int = 3,
        max_points: int = 400,
        max_points_per_example: int = 100,
        whole_set: bool = True,
        seed: int = 0,
    ) -> None:
        self._adapter = adapter
        self._statistics = statistics
        self._config = config
        self._min_points = min_points
        self._max_points = max_points
        self._per_example = max_points_per_example
        self._whole_set = whole_set
        self._seed = seed
        self._columns = SystemColumns()
        self._agreements: dict[str, Agreement] = {}
        self._clouds: dict[str, Reservoir] = {}
        self._left_out: Counter[str] = Counter()

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with a PersistenceResult for each output."""
        done = await asyncio.to_thread(lambda: [self._compute(sample) for sample in samples])
        for sample, clouds in done:
            for system, points in clouds:
                if self._whole_set:
                    cloud = self._clouds.setdefault(system, Reservoir(self._max_points, self._seed))
                    sound = _finite_rows(points)  # one that is not would take the whole set with it
                    self._left_out[system] += len(points) - len(sound)
                    cloud.add(sound)
            if sample.outputs:
                self._columns.add(sample, map(self._adapter.measure, sample.persistence))
            self._compare(sample)
        return [sample for sample, _ in done]

    def _compare(self, sample: Sample) -> None:
        """Hand surrogates that an earlier stage left beside the exact figures to who compares them."""
        if not isinstance(self._adapter, ChecksSurrogates):
            return
        surrogates = {score.system: score for score in sample.surrogates}
        for result in sample.persistence:
            if result.system in surrogates:
                agreement = self._agreements.setdefault(result.system, self._adapter.agreement())
                agreement.add(surrogates[result.system], result, group=sample.example.group)

    def _compute(self, sample: Sample) -> tuple[Sample, list[tuple[str, Any]]]:
        results, clouds = [], []
        for output in sample.outputs:
            points = self._adapter.embed(sample, output)
            if points is None:
                continue
            clouds.append((output.system, points))
            results.append(self._result(sample.example.id, output.system, points))
        return msgspec.structs.replace(sample, persistence=tuple(results)), clouds

    def _result(self, example_id: str, system: str, points: Any) -> PersistenceResult:
        count = len(points)
        if count < self._min_points:
            note = f"{count} claims, at least {self._min_points} needed"
            return PersistenceResult(
                system=system,
                sno_id=example_id,
                status="too_few_points",
                n_points=count,
                method="none",
                notes=note,
            )
        note = ""
        if count > self._per_example:
            note = f"first {self._per_example} of {count} claims"
            points = points[: self._per_example]
        result = self._adapter.persistence(points, system=system, sno_id=example_id)
        return _noted(result, note)

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Means with intervals, and the persistence of the whole set of each system."""
        if self._columns.empty:
            return StageResult(
                stage="analysis_tda_validation",
                status="skipped",
                reason="nothing was embedded: no outputs, or the adapter is a no-op",
            )
        whole = [await self._whole(system, cloud) for system, cloud in self._clouds.items()]
        metrics = {columns.system: self._adapter.summarize(columns) for columns in self._columns}
        correlations: list[Correlation] = []
        for system, agreement in self._agreements.items():
            found = await asyncio.to_thread(agreement.correlations, self._config.confidence_level)
            metrics[system]["surrogates_against_exact"] = agreement.summarize(found)
            correlations += (msgspec.structs.replace(each, system=system) for each in found)
        if isinstance(self._adapter, ComparesShapes):
            for left, right in combinations(whole, 2):
                apart = await asyncio.to_thread(self._adapter.distances, left, right)
                if apart is not None:
                    for one, other in ((left, right), (right, left)):
                        metrics[one.system].setdefault("distance_to", {})[other.system] = apart
        return StageResult(
            stage="analysis_tda_validation",
            status="completed",
            metrics=metrics,
            described=await asyncio.to_thread(
                self._columns.summarize,
                self._statistics,
                self._config,
                self._seed,
                counts=self._adapter.unbounded,
            ),
            correlations=tuple(correlations),
            set_persistence=tuple(whole),
        )

    def release(self) -> None:
        """Drop clouds and columns."""
        self._clouds, self._columns = {}, SystemColumns()
        self._agreements, self._left_out = {}, Counter()

    async def _whole(self, system: str, cloud: Reservoir) -> PersistenceResult:
        if len(cloud.points) < self._min_points:
            return PersistenceResult(
                system=system,
                sno_id="whole_set",
                status="too_few_points",
                n_points=len(cloud.points),
                method="none",
            )
        large = len(cloud.points) > INLINE_POINTS
        result = await (_in_process if large else _in_thread)(self._adapter, cloud.points, system)
        if self._left_out[system]:
            result = _noted(result, f"{self._left_out[system]} claim(s) left out: NaN or infinity")
        if cloud.seen > len(cloud.points):
            note = f"uniform sample of {len(cloud.points)} of {cloud.seen} claims, seed {self._seed}"
            result = _noted(result, note)
        return result


def _noted(result: PersistenceResult, note: str) -> PersistenceResult:
    """With a further note, in front."""
    return msgspec.structs.replace(result, notes="; ".join(filter(None, (note, result.notes))))


def _finite_rows(points: Any) -> Any:
    import numpy as np

    finite = np.isfinite(points)
    return points if finite.all() else points[finite.all(axis=1)]


def _persistence(adapter: TdaAdapter, points: list[Any], system: str) -> PersistenceResult:
    import numpy as np

    return adapter.persistence(np.vstack(points), system=system, sno_id="whole_set")


async def _in_thread(adapter: TdaAdapter, points: list[Any], system: str) -> PersistenceResult:
    return await asyncio.to_thread(_persistence, adapter, points, system)


async def _in_process(adapter: TdaAdapter, points: list[Any], system: str) -> PersistenceResult:
    return await in_process(_persistence, adapter, points, system)
