"""Permutation tests of the difference of means, for independent and for paired samples.

Independent: group labels are dealt anew. Exact up to ``MAX_EXACT`` deals, else ``iterations`` seeded ones
with p = (b + 1) / (B + 1), never 0 (Phipson & Smyth 2010). ``studentised`` permutes Welch's t instead of the
difference, which stays valid for large samples when the variances differ (Janssen 1997). Paired: signs flip,
see ``sign_flip``. Two-sided: deals at least as far from 0 as the observed one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...messages.findings import TestResult
from .answers import UnfitError, columns, is_constant, paired_columns, tested
from .pairs import Floats, Pairs, stream
from .sign_flip import TIE, Alternative, sign_flip

__all__ = ["paired_permutation", "permutation"]

MAX_EXACT = 200_000
CHUNK_CELLS = 2_000_000


@tested("permutation")
def permutation(
    first: Sequence[float],
    second: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    studentised: bool = False,
    iterations: int = 10_000,
    seed: int = 0,
) -> TestResult:
    """Two independent samples; the statistic is mean(first) - mean(second), or Welch's t."""
    x, y = columns(first, second, least=2 if studentised else 1)
    both = np.concatenate([x, y])
    if is_constant(both):
        raise UnfitError("constant", "all values are equal")
    centred = (both - both.mean()) / np.abs(both - both.mean()).max()
    observed = float(_statistics(centred, np.arange(len(x))[None, :], studentised=studentised)[0])
    if not math.isfinite(observed):
        raise UnfitError("constant", "both samples are constant: Welch's t is not defined")
    deals = math.comb(len(both), len(x))
    exact = deals <= MAX_EXACT
    chunks = (
        _all_deals(len(both), len(x))
        if exact
        else _random_deals(len(both), len(x), iterations, stream(seed, "permutation"))
    )
    extreme = sum(
        _count(_statistics(centred, deal, studentised=studentised), observed, alternative) for deal in chunks
    )
    if not studentised:
        observed = float(x.mean() - y.mean())
    p_value = extreme / deals if exact else (extreme + 1) / (iterations + 1)
    how = f"exact over all {deals} deals" if exact else f"Monte Carlo, {iterations} deals, p = (b+1)/(B+1)"
    what = "of Welch's t" if studentised else "of the difference of means"
    return TestResult(name="permutation", statistic=observed, p_value=p_value, notes=f"{what}, {how}")


def _all_deals(n: int, size: int) -> Iterator[NDArray[np.intp]]:
    yield np.array(list(itertools.combinations(range(n), size)), dtype=np.intp)


def _random_deals(n: int, size: int, iterations: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    rows = max(1, CHUNK_CELLS // n)
    for start in range(0, iterations, rows):
        keys = rng.random((min(rows, iterations - start), n))
        yield np.argpartition(keys, size - 1, axis=1)[:, :size]


def _statistics(values: Floats, deals: NDArray[np.intp], *, studentised: bool) -> Floats:
    """One statistic per row of ``deals``, the indices of the first sample; ``values`` are centred."""
    n, size = len(values), deals.shape[1]
    rest = n - size
    dealt = values[deals]
    sums = dealt.sum(axis=1)
    total = values.sum()
    difference: Floats = sums / size - (total - sums) / rest
    if not studentised:
        return difference
    squares = (dealt**2).sum(axis=1)
    first = (squares - sums**2 / size) / (size - 1) / size
    second = ((values**2).sum() - squares - (total - sums) ** 2 / rest) / (rest - 1) / rest
    error = np.sqrt(np.maximum(first + second, 0.0))
    flat = error <= TIE * np.abs(values).max()
    scaled: Floats = difference / np.where(flat, 1.0, error)
    apart = flat & (np.abs(difference) > TIE)
    scaled[apart] = np.copysign(np.inf, difference[apart])
    return scaled


def _count(values: Floats, observed: float, alternative: Alternative) -> int:
    tolerance = TIE * max(1.0, abs(observed)) if math.isfinite(observed) else 0.0
    if alternative == "two-sided":
        return int(np.sum(np.abs(values) >= abs(observed) - tolerance))
    if alternative == "less":
        return int(np.sum(values <= observed + tolerance))
    return int(np.sum(values >= observed - tolerance))


@tested("permutation")
def paired_permutation(
    first: Sequence[float],
    second: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    iterations: int = 10_000,
    seed: int = 0,
) -> TestResult:
    """Paired samples: the sign-flip test of the mean difference first - second."""
    x, y = paired_columns(first, second, least=1)
    difference = Pairs(system=x, baseline=y, cluster=None).difference
    rng = stream(seed, "permutation")
    result = sign_flip(difference, iterations=iterations, rng=rng, side=alternative)
    return TestResult(
        name="permutation", statistic=float((x - y).mean()), p_value=result.p_value, notes=result.notes
    )
