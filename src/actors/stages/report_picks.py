"""What a report shows of single samples and requests: kept while samples pass, a few of each kind.

Called by the report stage with every sample. Each picker keeps as many as it was told to, whatever the length
of the run; ties go by the order of arrival, so that the choice can be repeated.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta

from ...messages.base import Message
from ...messages.flow import Sample
from ...messages.records import Output
from ...messages.report import Disagreement, Excerpt, SlowRequest
from ..combined import behind

__all__ = ["DisagreementPicker", "ExcerptPicker", "ReportOptions", "SlowestPicker"]

Kept = TypeVar("Kept")


class ReportOptions(Message, frozen=True):
    """Options of report; formats are in ``[[outputs]]``."""

    excerpts: Annotated[
        int, Meta(ge=0, le=100, description="Samples shown of the worst, of the best and of those far apart.")
    ] = 3
    rank_by: Annotated[
        str | None,
        Meta(description="Score that ranks the samples shown; default: the first that bench compares."),
    ] = None
    slowest: Annotated[
        int, Meta(ge=0, le=100, description="Slowest requests shown, of runs that raced or voted.")
    ] = 10
    disagreements: Annotated[
        int, Meta(ge=0, le=100, description="Rows shown on which members of the ensemble disagreed.")
    ] = 5


class ExcerptPicker:
    """Keeps the samples at both ends of the ranking of one system, and those on which another differs most.

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
        self._ranking = (options.rank_by,) if options.rank_by else tuple(dict.fromkeys(preferred))
        self._directions = directions or {}
        self._ends: dict[str, _Ends] = {}
        self._apart: dict[str, _Top[Excerpt]] = {}
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
                        self._compare(metric, value, sample)

    def _compare(self, metric: str, value: float, sample: Sample) -> None:
        """Note the sample if another system scores differently on it."""
        others = [(each.system, each.scores.get(metric)) for each in sample.scores]
        gaps = [(abs(value - other), name) for name, other in others if other is not None]
        gap, name = max(gaps, key=lambda found: found[0])  # its own gap of 0 is among them
        if gap > 0:
            found = Excerpt(rank="apart", metric=metric, score=value, sample=sample, other=name)
            self._apart.setdefault(metric, _Top(self._count)).add(gap, found)

    def excerpts(self) -> tuple[Excerpt, ...]:
        """Worst first, then best, a sample that is both once; then those far apart, shown before or not."""
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
            *(self._apart[metric].falling() if metric in self._apart else ()),
        )


class SlowestPicker:
    """Keeps the slowest requests, those of members included; an ensemble's own answer is no request."""

    def __init__(self, count: int) -> None:
        self._top = _Top[tuple[Output, str | None]](count)

    def add(self, sample: Sample) -> None:
        """Offer the requests of a sample, unless it was neither raced, voted on nor argued over.

        An answer from the cache is no request.
        """
        if all(output.race is None and not behind(output) for output in sample.outputs):
            return
        for output in sample.outputs:
            asked = behind(output) or (() if output.dialectic is not None else (output,))
            for each in asked:
                own = output.ballots is None and each.system == output.system
                ensemble = None if own else output.system
                if each.cached is None:
                    self._top.add(each.latency_s, (each, ensemble))

    def requests(self) -> tuple[SlowRequest, ...]:
        """Slowest first."""
        return tuple(_slow(output, ensemble) for output, ensemble in self._top.falling())


def _slow(output: Output, ensemble: str | None) -> SlowRequest:
    return SlowRequest(
        example_id=output.example_id,
        system=output.system,
        latency_s=output.latency_s,
        ensemble=ensemble,
        attempts=output.attempts,
        error=output.error,
        race=output.race,
    )


class DisagreementPicker:
    """Keeps the rows on which the members of an ensemble agreed least."""

    def __init__(self, count: int) -> None:
        self._top = _Top[Disagreement](count)

    def add(self, sample: Sample) -> None:
        """Offer a sample."""
        for output in sample.outputs:
            agreement = output.ballots.agreement if output.ballots is not None else None
            if agreement is not None and agreement < 1:
                self._top.add(-agreement, Disagreement(example=sample.example, output=output))

    def rows(self) -> tuple[Disagreement, ...]:
        """Least agreement first."""
        return tuple(self._top.falling())


class _Top(Generic[Kept]):
    """The entries with the highest values; of equal ones those that came first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._heap: list[tuple[float, int, Kept]] = []

    def add(self, value: float, entry: Kept) -> None:
        """Offer an entry."""
        self._seen += 1
        if self._count:
            _keep(self._heap, (value, -self._seen, entry), self._count)

    def falling(self) -> Iterator[Kept]:
        """From the highest value down."""
        return (entry for _, _, entry in sorted(self._heap, key=lambda each: each[:2], reverse=True))


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


def _keep(heap: list[tuple[float, int, Kept]], entry: tuple[float, int, Kept], count: int) -> None:
    if len(heap) < count:
        heapq.heappush(heap, entry)
    elif entry[:2] > heap[0][:2]:
        heapq.heapreplace(heap, entry)
