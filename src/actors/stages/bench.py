"""``bench``: the model against its baselines on the same examples.

It always has data: every output with a reference is scored by exact match, token F1 and what else suits
short answers (``answer_scoring``), and all scores of ``analysis_metrics`` are taken over. Examples pair the
systems; groups of the data cluster the statistics.
Outputs that failed stay in, with the scores that an empty answer gets, so that failing never pays.
Answers that won a race at a temperature above 0 are left out unless asked for: a race favours short ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from ...messages.base import Message
from ...messages.errors import OptionError, near_match
from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, Distribution, Interval, Metric, Ranking, Watched
from ...messages.flow import Sample, StageResult
from ...messages.records import Output
from ..answer_scoring import NEEDS, OWN, AnswerScoring
from ..combined import behind
from ..distributions import histograms
from ..ports import Statistics, WatchesComparisons
from ..scores import ClusterIndex, Columns
from ..watching import Watching
from .columns import summarize_column

__all__ = ["Bench", "BenchOptions"]

Correction = Literal["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


class BenchOptions(Message, frozen=True):
    """Options of bench; tests, alpha and correction are in ``[reliability.stats]``."""

    metrics: Annotated[
        tuple[str, ...],
        Meta(description="Metrics compared with the baselines; default: all that have a better side."),
    ] = ()
    watch: Annotated[
        tuple[str, ...],
        Meta(
            description="Metrics in [0, 1] whose comparison may be looked at while the run goes on, "
            "by a test that is valid at any time."
        ),
    ] = ()
    include_raced: Annotated[
        bool, Meta(description="Compare answers that won a race in which short answers are favoured, too.")
    ] = False


class _Found(NamedTuple):
    """What a thread computed at the end."""

    figures: list[Metric]
    comparisons: list[Comparison]
    shapes: list[Distribution]
    rankings: list[Ranking]
    decided: dict[Correction, int]
    watched: tuple[Watched, ...]


class Bench:
    """Paired comparisons."""

    restartable = True

    def __init__(
        self,
        statistics: Statistics,
        config: StatsConfig,
        options: BenchOptions,
        *,
        model: str,
        baselines: Sequence[str],
        seed: int,
        directions: Mapping[str, str] | None = None,
        unbounded: frozenset[str] = frozenset(),
    ) -> None:
        self._statistics = statistics
        self._config = config
        self._options = options
        self._model = model
        self._baselines = tuple(baselines)
        self._seed = seed
        self._directions = directions or {}
        self._unbounded = unbounded
        self._clusters = ClusterIndex()
        self._raced = 0
        self._seen: dict[str, None] = {}  # every score that came, for the one that was meant by a wrong name
        self._scoring = AnswerScoring(asked=frozenset((*options.metrics, *options.watch)))
        self._columns = {name: Columns(name, self._clusters) for name in (model, *baselines)}
        self._watching = self._watch(statistics) if options.watch and baselines else None

    def _watch(self, statistics: Statistics) -> Watching:
        metrics = tuple(dict.fromkeys(self._options.watch))
        unbounded = [metric for metric in metrics if metric in self._unbounded]
        if unbounded:
            raise OptionError(
                f"bench: watch: {unbounded[0]} may lie outside [0, 1]: expected metrics that do not"
            )
        if not isinstance(statistics, WatchesComparisons):
            raise OptionError("bench: watch: these statistics have no test that is valid at any time")
        return Watching(
            statistics, metrics, model=self._model, baselines=self._baselines, config=self._config
        )

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with the scores of their answers; what will be compared is noted."""
        scored = await asyncio.to_thread(lambda: [self._scoring.score(sample) for sample in samples])
        for sample, extra in scored:
            self._note(sample, extra)
        return [sample for sample, _ in scored]

    def _note(self, sample: Sample, extra: Sequence[str]) -> None:
        if not sample.outputs:
            return
        if any(is_race_biased(output) for output in sample.outputs):
            self._raced += 1
            if not self._options.include_raced:
                return
        self._scoring.extra |= dict.fromkeys(extra)
        self._clusters.add(sample.example.group)
        found = {scores.system: scores for scores in sample.scores}
        noted: dict[str, Mapping[str, float | None]] = {}
        for system, columns in self._columns.items():
            all_scores, methods = (
                (found[system].scores, found[system].methods)
                if system in found  # a system that was not asked has the scores of an empty answer
                else self._scoring.unasked(sample.example, extra)
            )
            kept = dict.fromkeys((*OWN, *(name for name in extra if name in all_scores)))
            if self._baselines:
                kept |= dict.fromkeys(self._wanted(all_scores))
            columns.add(
                {name: all_scores[name] for name in kept}, {name: methods.get(name, "") for name in kept}
            )
            noted[system] = all_scores
            if self._options.metrics:
                self._seen.update(dict.fromkeys(all_scores))
        if self._watching is not None:
            self._watching.add(sample.example.group, noted)

    def note(self) -> str:
        """What the watched comparisons say so far."""
        return "" if self._watching is None else self._watching.note()

    def _wanted(self, names: Iterable[str]) -> list[str]:
        """Those that will be compared: no other column is worth its memory."""
        if self._options.metrics:
            return [name for name in names if name in self._options.metrics]
        return [name for name in names if self._directions.get(name) != "none"]

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Figures of the metrics that only bench computes, comparisons, histograms."""
        model = self._columns[self._model]
        if model.n == 0:
            reason = (
                f"all {self._raced} examples were biased by races"
                if self._raced
                else "no output reached bench"
            )
            return StageResult(stage="bench", status="skipped", reason=reason)
        found = await asyncio.to_thread(self._compute)
        named = dict.fromkeys(self._options.metrics if self._baselines else ())
        unknown = [name for name in named if name not in model.names()]
        told = [_unknown(name, tuple(self._seen)) for name in unknown] or self._unwatched()
        none_left = bool(named) and len(unknown) == len(named)
        told = ["nothing was compared", *told] if none_left else told
        return StageResult(
            stage="bench",
            status="failed" if none_left else "completed",
            reason="; ".join((*told, *self._scoring.inexact(self._columns))) or None,
            metrics={
                "examples": model.n,
                **self._raced_figures(),
                "tests": list(self._config.tests),
                "alpha": self._config.alpha,
                "correction": self._config.correction,
                "compared": sorted({comparison.metric for comparison in found.comparisons}),
                **({"decided_by_correction": found.decided} if len(found.comparisons) > 1 else {}),
            },
            figures=tuple(found.figures),
            comparisons=tuple(found.comparisons),
            distributions=tuple(found.shapes),
            rankings=tuple(found.rankings),
            watched=found.watched,
        )

    def _unwatched(self) -> list[str]:
        """What was to be watched and never came."""
        watching = self._watching
        if watching is None:
            return []
        return [_unknown(name, tuple(watching.seen)) for name in watching.unknown()]

    def release(self) -> None:
        """Drop the columns."""
        self._columns, self._clusters = {}, ClusterIndex()

    def _raced_figures(self) -> dict[str, int]:
        """Examples whose answers were biased by races, if any; a pair is left out as a whole."""
        if not self._raced:
            return {}
        return {"race_biased": self._raced, "left_out": 0 if self._options.include_raced else self._raced}

    def _decided(self, raw: Sequence[Comparison], method: Correction) -> int:
        """How many comparisons another correction would decide: shows what hangs on the choice."""
        config = msgspec.structs.replace(self._config, correction=method)
        return sum(c.verdict in ("better", "worse") for c in self._statistics.correct(raw, config))

    def _compute(self) -> _Found:
        own = self._scoring.names(self._columns[self._model])
        figures = [
            summarize_column(self._statistics, columns, name, self._config, self._seed, bounded=True)
            for columns in self._columns.values()
            for name in own
        ]
        raw = [
            self._compare(name, baseline)
            for baseline in self._baselines
            for name in self._compared(baseline)
            if self._options.metrics or self._differ(name, baseline)
        ]
        comparisons = self._statistics.correct(raw, self._config)
        shapes = [
            shape
            for name in own
            for shape in histograms(name, [(s, c.values(name)) for s, c in self._columns.items()])
        ]
        decided = {method: self._decided(raw, method) for method in CORRECTIONS}
        watched = () if self._watching is None else self._watching.results()
        return _Found(figures, comparisons, shapes, self._rank(comparisons), decided, watched)

    def _rank(self, comparisons: Sequence[Comparison]) -> list[Ranking]:
        """All systems against each other on what was compared, where there are three or more."""
        if len(self._columns) < 3:
            return []
        return [
            self._statistics.rank(
                metric,
                {name: columns.values(metric) for name, columns in self._columns.items()},
                clusters=self._clusters.clusters(),
                higher_is_better=self._directions.get(metric) != "lower",
                config=self._config,
            )
            for metric in dict.fromkeys(comparison.metric for comparison in comparisons)
        ]

    def _compared(self, baseline: str) -> list[str]:
        mine = self._columns[self._model]
        rare = self._scoring.extra.keys() - self._scoring.names(mine)
        both = [name for name in mine.names() if name in self._columns[baseline].names() and name not in rare]
        wanted = dict.fromkeys(self._options.metrics) or self._wanted(both)  # named twice, compared once
        return [name for name in wanted if name in both]

    def _differ(self, metric: str, baseline: str) -> bool:
        """Whether any example tells the two apart.

        A test that cannot reach significance need not be corrected for (Tarone 1990); with no difference
        anywhere the smallest p that could come out is 1.
        """
        pairs = zip(
            self._columns[self._model].values(metric), self._columns[baseline].values(metric), strict=True
        )
        return any(abs(mine - theirs) > 0 for mine, theirs in pairs)  # false for NaN

    def _compare(self, metric: str, baseline: str) -> Comparison:
        comparison = self._statistics.compare(
            metric,
            self._columns[self._model].values(metric),
            self._columns[baseline].values(metric),
            names=(self._model, baseline),
            clusters=self._clusters.clusters(),
            config=self._config,
            seed=self._seed,
            bounded=metric not in self._unbounded,
        )
        higher = self._directions.get(metric) != "lower"
        interval = comparison.interval
        if metric not in self._unbounded and interval is not None:
            interval = _cut(interval)
        return msgspec.structs.replace(comparison, higher_is_better=higher, interval=interval)


def is_race_biased(output: Output) -> bool:
    """Whether the answer, or that of a member behind it, was chosen because it was whole first."""
    if output.race is not None and output.race.race_biased:
        return True
    return any(is_race_biased(each) for each in behind(output))


def _cut(interval: Interval) -> Interval:
    """Scores in [0, 1] differ by at most 1: the interval keeps what can be, and its coverage."""
    low, high = max(-1.0, interval.low), min(1.0, interval.high)
    if (low, high) == (interval.low, interval.high):
        return interval
    return Interval(low=low, high=high, level=interval.level, method=f"{interval.method}, cut to [-1, 1]")


def _unknown(name: str, known: Sequence[str]) -> str:
    if name in NEEDS:
        return f"{name}: no row has {NEEDS[name]}"
    hint = near_match(name, known)
    return f"no such metric: {name!r}" + (f"; did you mean {hint!r}?" if hint else "")
