"""``dialectic``: what came of the arguments over the model's answers.

Stands after ``backend_call``, which holds the rounds so that its limits, retries, cache and prices count for
the agents' requests too; the options of this stage shape them. Here the records are counted: scores of the
critics by round, why each dialectic ended, what became of the challenges. A few examples are kept for the
report. It keeps some floats a row, and no samples besides.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.findings import Metric
from ...messages.flow import Sample, StageResult
from ...messages.records import Dialectic, Output
from ...messages.report import ShownDialectic
from ..ports import Statistics
from ..scores import ClusterIndex, Columns
from .columns import summarize_column

__all__ = ["DialecticCount"]

SHOWN = 3
"""Examples kept for the report: those whose score moved most."""
THESIS, ANSWER = "critic_score_thesis", "critic_score_answer"


class DialecticCount:
    """Scores by round, reasons, resolutions."""

    restartable = True

    def __init__(self, statistics: Statistics, config: StatsConfig, *, max_rounds: int, seed: int) -> None:
        self._statistics = statistics
        self._config = config
        self._seed = seed
        self._names = [_round(number) for number in range(max_rounds + 1)]
        self._clusters = ClusterIndex()
        self._columns: Columns | None = None
        self._reasons: Counter[str] = Counter()
        self._rounds: Counter[int] = Counter()
        self._reached: Counter[int] = Counter()
        self._types: Counter[str] = Counter()
        self._resolutions: Counter[str] = Counter()
        self._by_rules: Counter[str] = Counter()
        self._without = 0
        self._shown: list[tuple[float, int, ShownDialectic]] = []

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """All samples, untouched; what was argued over is counted."""
        for sample in samples:
            for output in sample.outputs:
                if output.dialectic is not None:
                    self._add(sample, output, output.dialectic)
        return samples

    def _add(self, sample: Sample, output: Output, record: Dialectic) -> None:
        scores = [record.assessment.score]
        scores += [each.assessment.score for each in record.rounds if each.assessment is not None]
        if self._columns is None:
            self._columns = Columns(output.system, self._clusters)
        self._clusters.add(sample.example.group)
        last = (
            len(scores) - 1
        )  # one that has ended keeps its score, so that all rounds are over the same rows
        columns: dict[str, float | None] = {
            name: scores[min(number, last)] for number, name in enumerate(self._names)
        }
        columns |= {THESIS: scores[0], ANSWER: scores[record.chosen]}
        self._columns.add(columns, dict.fromkeys(columns, record.assessment.method))
        self._reasons[record.reason] += 1
        self._rounds[len(record.rounds)] += 1
        self._reached.update(range(len(scores)))
        for each in record.rounds:
            self._types.update(challenge.type for challenge in each.challenges)
            self._resolutions.update(challenge.resolution for challenge in each.challenges)
        steps = (*record.steps, *(step for each in record.rounds for step in each.steps))
        for step in steps:
            self._by_rules[step.agent] += step.fallback is not None
        self._keep(sample, output, record, _moved(scores))

    def _keep(self, sample: Sample, output: Output, record: Dialectic, moved: float) -> None:
        shown = ShownDialectic(example_id=sample.example.id, system=output.system, dialectic=_light(record))
        self._shown.append((-moved, sum(self._reasons.values()), shown))
        self._shown.sort(key=lambda entry: entry[:2])
        del self._shown[SHOWN:]

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Means with intervals, and the counts."""
        if self._columns is None:
            reason = "nothing was argued over: no answer holds a claim"
            return StageResult(stage="dialectic", status="skipped", reason=reason)
        summaries = await asyncio.to_thread(self._summaries, self._columns)
        return StageResult(
            stage="dialectic",
            status="completed",
            metrics={
                "examples": self._columns.n,
                "thesis_score": summaries[THESIS].value,
                "answer_score": summaries[ANSWER].value,
                "reasons": dict(self._reasons.most_common()),
                "rounds": {str(number): self._rounds[number] for number in sorted(self._rounds)},
                "by_round": [
                    _told(number, summaries[name], self._reached[number])
                    for number, name in enumerate(self._names)
                    if self._reached[number]
                ],
                "challenges": dict(self._types.most_common()),
                "resolutions": dict(self._resolutions.most_common()),
                "fallbacks": dict(self._by_rules),
                "shown": [msgspec.to_builtins(shown) for _, _, shown in self._shown],
            },
            figures=(summaries[THESIS], summaries[ANSWER]),
        )

    def release(self) -> None:
        """Drop the columns."""
        self._columns, self._clusters, self._shown = None, ClusterIndex(), []

    def _summaries(self, columns: Columns) -> Mapping[str, Metric]:
        return {
            name: summarize_column(self._statistics, columns, name, self._config, self._seed, bounded=True)
            for name in columns.names()
        }


def _round(number: int) -> str:
    return f"critic_score_round_{number}"


def _moved(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return abs(known[-1] - known[0]) + 0.001 * len(known) if known else 0.0


def _told(number: int, found: Metric, reached: int) -> dict[str, Any]:
    interval = found.interval
    return {
        "round": number,
        "score": found.value,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "level": None if interval is None else interval.level,
        "n": found.n,
        "interval_by": f"none: {found.reason}" if interval is None else interval.method,
        "reached": reached,
    }


def _light(record: Dialectic) -> Dialectic:
    """Without the raw replies, which are in ``samples.jsonl``."""

    def bare(steps: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(msgspec.structs.replace(step, output=None) for step in steps)

    rounds = tuple(msgspec.structs.replace(each, steps=bare(each.steps)) for each in record.rounds)
    return msgspec.structs.replace(record, steps=bare(record.steps), rounds=rounds)
