"""Rates of groups and the gaps between them: the four usual criteria of group fairness.

Called by the fairness stage in a worker thread. Of a system it takes, row by row, a group, a prediction and a
label (0, 1 or undefined). Criteria as in Hardt, Price & Srebro (2016) and Chouldechova (2017); the gap is the
largest difference and the smallest ratio of any two groups, as in fairlearn.

Intervals are simultaneous: each pair of groups gets a Newcombe (difference) or MOVER-R interval (ratio,
Donner & Zou 2012) from Wilson limits at 1 - alpha / pairs, so at the stated level all hold at once, and with
them the limits of the widest gap. Where rows share clusters, CR1 with t(C - 1) takes their place, on the
difference or on the log of the ratio, and a rate has Wilson's interval at its effective size. Rejected: the
bootstrap of the widest gap, whose percentiles lie too high, because noise always widens it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import msgspec

from ...messages.fairness import Criterion, FairnessResult, GroupGap, GroupRate, RateName
from ...messages.findings import Interval, Status
from .intervals import wilson_interval
from .rates import effective_wilson, newcombe
from .student import t_quantile

__all__ = ["RATES", "group_gaps"]

Limits = tuple[float, float]
Verdict = Literal["exceeds", "within", "undecided"]
RATES: Mapping[Criterion, tuple[RateName, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity": ("precision",),
}


@dataclass(slots=True)
class _Cell:
    """Hits among the rows of one group that count for a rate; ``clusters``: hits and rows of each cluster."""

    hits: int = 0
    n: int = 0
    clusters: dict[int, list[int]] = field(default_factory=dict)
    errors: dict[int, float] | None = None

    @property
    def rate(self) -> float:
        return self.hits / self.n

    def add(self, hit: int, cluster: int | None) -> None:
        self.hits += hit
        self.n += 1
        if cluster is not None:
            sums = self.clusters.setdefault(cluster, [0, 0])
            sums[0] += hit
            sums[1] += 1

    def residuals(self) -> dict[int, float]:
        """What each cluster adds to the error of the rate; asked for when all rows are in."""
        if self.errors is None:
            rate = self.rate
            self.errors = {name: (hits - n * rate) / self.n for name, (hits, n) in self.clusters.items()}
        return self.errors


Cells = dict[str, _Cell]


def group_gaps(
    system: str,
    groups: Sequence[str],
    rows: Iterable[tuple[int, int | None, int | None]],
    *,
    criteria: Sequence[Criterion],
    clusters: Sequence[int] | None,
    least: int,
    threshold: float,
    level: float,
    no_label: str,
) -> FairnessResult:
    """Rates of every group and the gaps of every criterion.

    Args:
        system: whose predictions they are.
        groups: names of the groups.
        rows: number of the group, prediction, label; None where undefined.
        criteria: which to compute.
        clusters: cluster of each row; None when rows are independent.
        least: fewest rows of a group whose rate is compared.
        threshold: the difference that is tolerated.
        level: of the intervals.
        no_label: why no row has a label, if none has.
    """
    wanted = tuple(dict.fromkeys(name for criterion in criteria for name in RATES[criterion]))
    table: dict[RateName, Cells] = {name: {group: _Cell() for group in groups} for name in wanted}
    for index, (group, prediction, label) in enumerate(rows):
        cluster = None if clusters is None else clusters[index]
        for name in wanted:
            counted = _counted(name, prediction, label)
            if counted is not None:
                table[name][groups[group]].add(counted, cluster)
    rates = [_rate(name, group, cell, least, level) for name in wanted for group, cell in table[name].items()]
    gaps = [
        gap
        for criterion in criteria
        for gap in _gaps(
            criterion, {name: table[name] for name in RATES[criterion]}, least, threshold, level, no_label
        )
    ]
    return FairnessResult(system=system, rates=tuple(rates), gaps=tuple(gaps))


def _counted(name: RateName, prediction: int | None, label: int | None) -> int | None:
    """Whether a row is a hit of a rate; None when it does not count for it."""
    if prediction is None:
        return None
    if name == "selection_rate":
        return prediction
    if label is None:
        return None
    if name == "precision":
        return label if prediction else None
    return prediction if label == (name == "true_positive_rate") else None


def _rate(name: RateName, group: str, cell: _Cell, least: int, level: float) -> GroupRate:
    if not cell.n:
        none = "no row of this group counts for this rate"
        return GroupRate(rate=name, group=group, value=None, n=0, status="too_few", reason=none)
    status: Status = "ok" if cell.n >= least else "too_few"
    interval = _interval_of_rate(cell, level)
    reason = None if interval is not None else "all its rows are of one cluster: no interval"
    if status == "too_few":
        reason = f"{cell.n} of the {least} rows that a comparison needs"
    return GroupRate(
        rate=name,
        group=group,
        value=cell.rate,
        n=cell.n,
        interval=interval,
        status=status,
        reason=reason,
    )


def _interval_of_rate(cell: _Cell, level: float) -> Interval | None:
    if not _is_clustered([cell]):
        return wilson_interval(cell.hits, cell.n, level)
    count = len(cell.clusters)
    if count < 2:
        return None
    meat = math.fsum(residual * residual for residual in cell.residuals().values())
    error = math.sqrt(count / (count - 1) * meat) if meat > TINY else None
    alike = cell.n**2 / sum(n * n for _, n in cell.clusters.values())
    return effective_wilson(cell.rate, cell.n, error, alike=alike, clusters=count, level=level)


def _gaps(
    criterion: Criterion,
    table: Mapping[RateName, Cells],
    least: int,
    threshold: float,
    level: float,
    no_label: str,
) -> list[GroupGap]:
    """Difference and ratio of one criterion, over all its rates."""
    usable = {
        name: {group: cell for group, cell in cells.items() if cell.n >= least}
        for name, cells in table.items()
    }
    found = [(name, cells) for name, cells in usable.items() if len(cells) > 1]
    n = sum(cell.n for cells in usable.values() for cell in cells.values())
    if len(found) < len(usable):
        name, cells = next((name, cells) for name, cells in usable.items() if len(cells) < 2)
        reason = f"{len(cells)} of the 2 groups that are needed have {least} rows for the {_words(name)}"
        if no_label and name != "selection_rate":
            reason = no_label
        undefined = GroupGap(
            criterion=criterion, measure="difference", value=None, n=n, status="one_group", reason=reason
        )
        return [undefined, msgspec.structs.replace(undefined, measure="ratio")]
    pairs = [pair for _, cells in found for pair in itertools.permutations(cells.items(), 2)]
    clustered = any(_is_clustered(cells.values()) for _, cells in found)
    each = 1 - (1 - level) / (len(pairs) / 2)
    return [
        _difference(criterion, pairs, n, clustered, each, level, threshold),
        _ratio(criterion, pairs, n, clustered, each, level)
        if all(any(cell.hits for cell in cells.values()) for _, cells in found)
        else GroupGap(
            criterion=criterion, measure="ratio", value=None, n=n, status="zero_cell", reason=ALL_ZERO
        ),
    ]


Pair = tuple[tuple[str, _Cell], tuple[str, _Cell]]


def _difference(
    criterion: Criterion,
    pairs: Sequence[Pair],
    n: int,
    clustered: bool,  # noqa: FBT001
    each: float,
    level: float,
    threshold: float,
) -> GroupGap:
    (high_name, high), (low_name, low) = max(pairs, key=lambda pair: pair[0][1].rate - pair[1][1].rate)
    limits = _all_limits(pairs, lambda a, b: _difference_limits(a, b, each, clustered))
    interval = None
    if limits is not None:
        interval = Interval(
            low=max(0.0, *(limit[0] for limit in limits)),
            high=min(1.0, max(limit[1] for limit in limits)),
            level=level,
            method=_method("CR1" if clustered else "Newcombe", pairs),
        )
    verdict: Verdict = "undecided"
    if interval is not None and interval.low > threshold:
        verdict = "exceeds"
    elif interval is not None and interval.high <= threshold:
        verdict = "within"
    return GroupGap(
        criterion=criterion,
        measure="difference",
        value=high.rate - low.rate,
        n=n,
        interval=interval,
        lowest=low_name,
        highest=high_name,
        verdict=verdict,
        reason=None if interval is not None else NO_SPREAD,
        status="ok" if interval is not None else "constant",
    )


ALL_ZERO = "every group has a rate of 0: their ratio is not defined"
NO_SPREAD = "the clusters of a pair of groups agree exactly, or there is only one: no interval"


def _ratio(
    criterion: Criterion,
    pairs: Sequence[Pair],
    n: int,
    clustered: bool,  # noqa: FBT001
    each: float,
    level: float,
) -> GroupGap:
    defined = [pair for pair in pairs if pair[1][1].hits]
    (low_name, low), (high_name, high) = min(defined, key=lambda pair: pair[0][1].rate / pair[1][1].rate)
    limits = _all_limits(defined, lambda a, b: _ratio_limits(a, b, each, clustered))
    interval = None
    if limits is not None:
        interval = Interval(
            low=max(0.0, min(limit[0] for limit in limits)),
            high=min(1.0, *(limit[1] for limit in limits)),
            level=level,
            method=_method("CR1 on the log" if clustered else "MOVER-R", pairs),
        )
    return GroupGap(
        criterion=criterion,
        measure="ratio",
        value=low.rate / high.rate,
        n=n,
        interval=interval,
        lowest=low_name,
        highest=high_name,
        reason=None if interval is not None else NO_RATIO,
        status="ok" if interval is not None else "constant",
    )


NO_RATIO = "a rate of 0 or clusters that agree exactly: no interval of the log ratio"


def _all_limits(
    pairs: Sequence[Pair], limits_of: Callable[[_Cell, _Cell], Limits | None]
) -> list[Limits] | None:
    """The limits of every pair; None when one has none, because then not all hold at once."""
    found = []
    for (_, first), (_, second) in pairs:
        limits = limits_of(first, second)
        if limits is None:
            return None
        found.append(limits)
    return found


def _difference_limits(first: _Cell, second: _Cell, level: float, clustered: bool) -> Limits | None:  # noqa: FBT001
    if not clustered:
        interval = newcombe(first.hits, first.n, second.hits, second.n, level)
        return interval.low, interval.high
    half = _half(_sum(first.residuals(), second.residuals(), 1.0, -1.0), level)
    difference = first.rate - second.rate
    return None if half is None else (difference - half, difference + half)


def _ratio_limits(first: _Cell, second: _Cell, level: float, clustered: bool) -> Limits | None:  # noqa: FBT001
    if not clustered:
        return _mover_r(first, second, level)
    if not first.hits:
        return None
    half = _half(_sum(first.residuals(), second.residuals(), 1 / first.rate, -1 / second.rate), level)
    ratio = first.rate / second.rate
    return None if half is None else (ratio * math.exp(-half), ratio * math.exp(half))


def _mover_r(first: _Cell, second: _Cell, level: float) -> Limits:
    p, q = first.rate, second.rate
    a, b = wilson_interval(first.hits, first.n, level), wilson_interval(second.hits, second.n, level)
    below, above = b.high * (2 * q - b.high), b.low * (2 * q - b.low)
    low_root = math.sqrt(max(0.0, (p * q) ** 2 - a.low * (2 * p - a.low) * below))
    high_root = math.sqrt(max(0.0, (p * q) ** 2 - a.high * (2 * p - a.high) * above))
    low = (p * q - low_root) / below if below else a.low * (2 * p - a.low) / (2 * p * q) if p else 0.0
    return max(0.0, low), (p * q + high_root) / above


def _sum(
    first: Mapping[int, float], second: Mapping[int, float], scale: float, other: float
) -> dict[int, float]:
    total = {name: scale * value for name, value in first.items()}
    for name, value in second.items():
        total[name] = total.get(name, 0.0) + other * value
    return total


def _half(residuals: Mapping[int, float], level: float) -> float | None:
    """T times the CR1 error of a sum of residuals by cluster; None without spread."""
    count = len(residuals)
    meat = math.fsum(value * value for value in residuals.values())
    if count < 2 or meat <= TINY:
        return None
    return _quantile((1 + level) / 2, count - 1) * math.sqrt(count / (count - 1) * meat)


_quantile = lru_cache(maxsize=1_024)(t_quantile)
"""Pairs of groups ask for the same few again and again, and each is found by bisection."""


TINY = 1e-24
"""Squared rounding noise of rates."""


def _is_clustered(cells: Iterable[_Cell]) -> bool:
    """Whether any two rows share a cluster."""
    names = [name for cell in cells for name in cell.clusters]
    return bool(names) and (
        len(set(names)) < len(names) or any(n > 1 for cell in cells for _, n in cell.clusters.values())
    )


def _method(name: str, pairs: Sequence[Pair]) -> str:
    count = len(pairs) // 2
    return name if count == 1 else f"{name}, simultaneous over {count} pairs (Bonferroni)"


def _words(name: RateName) -> str:
    return name.replace("_", " ")
