"""Do judges agree? Cohen's kappa for two, Krippendorff's alpha for any number with gaps.

Sources: Cohen (1960, 1968); the large-sample error of Fleiss, Cohen & Everitt (1969). Krippendorff (2011),
*Computing Krippendorff's Alpha-Reliability*, by the coincidence matrix; its interval is a percentile
bootstrap over units, with the ordinal distances of the whole sample.

Both errors are 0 where judges agreed on everything, which says that the sample was too small to meet a
disagreement, not that there is none. There the bound is that of the observed agreement (Wilson 1927), with
the agreement by chance held at what was observed; the method says so. Where no error can be had for another
reason, such as a judge who said the same of everything, there is no interval and the notes say why.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from ...messages.findings import Interval
from .answers import LARGEST, Figure, UnfitError, figured, probability
from .intervals import wilson_interval
from .pairs import Floats, stream

__all__ = ["Scale", "cohens_kappa", "krippendorff_alpha"]

Scale = Literal["nominal", "ordinal", "interval", "ratio"]
Rating = float | str | None


@figured("cohens_kappa")
def cohens_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    weights: Literal["none", "linear", "quadratic"] = "none",
    categories: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Figure:
    """Agreement of two judges beyond chance; weights count near misses, in the order of ``categories``."""
    if len(first) != len(second):
        raise UnfitError("unequal_lengths", f"{len(first)} and {len(second)} ratings")
    if any(_missing(label) for label in (*first, *second)):
        raise UnfitError("not_a_number", "a rating is missing: leave that item out, or use alpha")
    if len(first) < 2:
        raise UnfitError("too_few", f"{len(first)} of the 2 items that are needed")
    order = list(categories) if categories is not None else sorted(set(first) | set(second), key=_key)
    place = {label: index for index, label in enumerate(order)}
    unknown = next((label for label in (*first, *second) if label not in place), None)
    if unknown is not None:
        raise UnfitError("out_of_range", f"{unknown!r} is not among the categories")
    table = np.zeros((len(order), len(order)))
    np.add.at(table, ([place[label] for label in first], [place[label] for label in second]), 1.0)
    found = _kappa(table / len(first), _agreement(len(order), weights), len(first))
    interval = _kappa_interval(found, len(first), probability(level, "the level"))
    return Figure(
        name="cohens_kappa",
        value=found.value,
        n=len(first),
        interval=interval,
        method=weights,
        notes="" if interval else NO_ERROR,
    )


BOUND = "Wilson bound of the agreement, chance as observed"
NO_ERROR = "no interval: the large-sample error is 0, as where one judge used one category only"
NO_WIDTH = 1e-9


class _Kappa(NamedTuple):
    observed: float
    chance: float
    error: float

    @property
    def value(self) -> float:
        return self.beyond_chance(self.observed)

    def beyond_chance(self, agreement: float) -> float:
        return (agreement - self.chance) / (1 - self.chance)


def _kappa_interval(found: _Kappa, n: int, level: float) -> Interval | None:
    """By the large-sample error; where that is 0, from the agreement itself if it is whole or none."""
    low = high = found.value
    method = BOUND
    if found.error > NO_WIDTH:
        half = NormalDist().inv_cdf((1 + level) / 2) * found.error
        low, high, method = low - half, high + half, "large-sample"
    elif found.observed > 1 - NO_WIDTH:
        low = found.beyond_chance(wilson_interval(n, n, level).low)
    elif found.observed < NO_WIDTH:
        high = found.beyond_chance(wilson_interval(0, n, level).high)
    else:
        return None
    return Interval(low=max(-1.0, low), high=min(1.0, high), level=level, method=method)


def _missing(label: object) -> bool:
    return label is None or (isinstance(label, float) and math.isnan(label))


def _key(label: Hashable) -> tuple[bool, float, str]:
    number = isinstance(label, (int, float))
    return (not number, float(label) if isinstance(label, (int, float)) else 0.0, str(label))


def _agreement(k: int, weights: str) -> Floats:
    """1 for the same category down to 0 for the farthest."""
    if weights == "none":
        return np.eye(k)
    if weights not in ("linear", "quadratic"):
        raise ValueError(f"unknown weights {weights!r}")
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / max(1, k - 1)
    agreement: Floats = 1 - (apart if weights == "linear" else apart**2)
    return agreement


def _kappa(share: Floats, agreement: Floats, n: int) -> _Kappa:
    """Agreement, that by chance, and kappa's standard error (Fleiss, Cohen & Everitt 1969, eq. 12)."""
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, chance = float((share * agreement).sum()), float(rows @ agreement @ columns)
    if 1 - chance < 1e-12:
        raise UnfitError("constant", "both judges use one category only: chance agreement is complete")
    expected = (agreement @ columns)[:, None] + (rows @ agreement)[None, :]
    spread = float((share * (agreement * (1 - chance) - expected * (1 - observed)) ** 2).sum())
    centre = (observed * chance - 2 * chance + observed) ** 2
    return _Kappa(observed, chance, math.sqrt(max(0.0, (spread - centre) / n)) / (1 - chance) ** 2)


@figured("krippendorff_alpha")
def krippendorff_alpha(
    ratings: Sequence[Sequence[Rating]],
    scale: Scale = "nominal",
    *,
    level: float = 0.95,
    iterations: int = 2000,
    seed: int = 0,
) -> Figure:
    """``ratings[judge][unit]``, None or NaN where a judge was not asked. Labels, if nominal, or numbers."""
    values, counts = _unit_counts(ratings)
    if scale != "nominal" and any(not isinstance(value, (int, float)) for value in values):
        raise UnfitError("not_a_number", f"the scale {scale} needs numbers")
    if len(counts) == 0:
        raise UnfitError("too_few", "no unit was rated twice")
    if len(values) < 2:
        raise UnfitError("constant", "only one value was ever given: there is nothing to agree about")
    distance = _distances(values, counts.sum(axis=0), scale)
    sizes = counts.sum(axis=1)
    apart = np.einsum("uc,ck,uk->u", counts, distance, counts) / (sizes - 1)
    value = float(_alpha(np.ones((1, len(counts))), counts, apart, distance)[0])
    weights = stream(seed, "krippendorff_alpha").multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=iterations
    )
    drawn = _alpha(weights.astype(float), counts, apart, distance)
    drawn = drawn[~np.isnan(drawn)]  # a resample with one value only has no alpha
    probability(level, "the level")
    interval, notes = _bootstrapped(drawn, len(counts), level)
    if not apart.any():
        interval, notes = _whole_agreement(counts.sum(axis=0), distance, len(counts), level), ""
    return Figure(
        name="krippendorff_alpha",
        value=value,
        n=len(counts),
        interval=interval,
        method=scale,
        notes=notes,
    )


def _bootstrapped(drawn: Floats, units: int, level: float) -> tuple[Interval | None, str]:
    """The percentile interval of resampled alphas, or why there is none."""
    if units < 2 or not len(drawn):
        return None, "no interval: too few units"
    low, high = (float(edge) for edge in np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2)))
    if high - low < NO_WIDTH:
        return None, "no interval: the units are alike, so that resampling them changes nothing"
    method = "percentile bootstrap over units"
    return Interval(
        low=low, high=high, level=level, method=method
    ), f"{len(drawn)} resamples of {units} units"


def _whole_agreement(totals: Floats, distance: Floats, units: int, level: float) -> Interval:
    """From the share of units on which judges may differ, and then as far as can be, though here none did."""
    n = float(totals.sum())
    expected = float(totals @ distance @ totals) / (n * (n - 1))
    share = wilson_interval(0, units, level).high
    low = max(-1.0, 1 - share * float(distance.max()) / expected)
    return Interval(low=low, high=1.0, level=level, method=BOUND)


def _unit_counts(ratings: Sequence[Sequence[Rating]]) -> tuple[list[float | str], Floats]:
    """The values in order, and how often each was given to each unit that has two ratings."""
    if len(ratings) < 2:
        raise UnfitError("one_group", f"{len(ratings)} of the 2 judges that are needed")
    if len({len(row) for row in ratings}) > 1:
        raise UnfitError("unequal_lengths", "the judges have different numbers of units")
    given = [[v for v in unit if v is not None and not _missing(v)] for unit in zip(*ratings, strict=True)]
    if any(isinstance(value, float) and math.isinf(value) for unit in given for value in unit):
        raise UnfitError("infinite", "a rating is infinite")
    if any(isinstance(v, float) and v and not 1 / LARGEST < abs(v) < LARGEST for unit in given for v in unit):
        raise UnfitError("out_of_range", "a rating has a size whose square no float holds")
    units = [unit for unit in given if len(unit) > 1]
    values = sorted({value for unit in units for value in unit}, key=_key)
    place = {value: index for index, value in enumerate(values)}
    counts = np.zeros((len(units), len(values)))
    for number, unit in enumerate(units):
        for value in unit:
            counts[number, place[value]] += 1
    return values, counts


def _distances(values: Sequence[float | str], totals: Floats, scale: Scale) -> Floats:
    """Squared difference function of the scale."""
    if scale == "nominal":
        nominal: Floats = 1.0 - np.eye(len(values))
        return nominal
    if scale == "ordinal":
        centre = np.cumsum(totals) - totals / 2
        ordinal: Floats = np.subtract.outer(centre, centre) ** 2
        return ordinal
    numbers = np.array([float(value) for value in values])
    apart: Floats = np.subtract.outer(numbers, numbers) ** 2
    if scale == "interval":
        return apart
    if scale != "ratio":
        raise ValueError(f"unknown scale {scale!r}")
    if numbers.min() < 0:
        raise UnfitError("out_of_range", "the ratio scale has no negative values")
    total = np.add.outer(numbers, numbers) ** 2
    ratio: Floats = np.divide(apart, total, out=np.zeros_like(apart), where=total > 0)
    return ratio


def _alpha(weights: Floats, counts: Floats, apart: Floats, distance: Floats) -> Floats:
    """Alpha of each row of unit weights; NaN where only one value occurs."""
    totals = weights @ counts
    n = totals.sum(axis=1)
    observed = weights @ apart
    expected = np.einsum("rc,ck,rk->r", totals, distance, totals) / (n - 1)
    ratio = np.divide(observed, expected, out=np.full_like(observed, np.nan), where=expected > 0)
    alpha: Floats = 1 - ratio
    return alpha
