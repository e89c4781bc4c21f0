"""Counts: McNemar, chi-square, Fisher, two proportions.

Sources: SciPy for chi-square and Fisher; McNemar exact by the binomial; two proportions by the pooled score
test (R's ``prop.test`` without continuity). Counts must be whole and not negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...messages.findings import TestResult
from .answers import UnfitError, probability, tested
from .rates import newcombe
from .sign_flip import Alternative, binomial_p

__all__ = ["chi_square", "counts", "fisher", "mcnemar", "two_by_two", "two_proportions"]

FEW_EXPECTED = 5.0


def counts(values: Sequence[float]) -> list[int]:
    """Whole counts that are not negative."""
    found = []
    for value in values:
        if math.isnan(value):
            raise UnfitError("not_a_number", "a count is undefined (NaN)")
        if math.isinf(value):
            raise UnfitError("infinite", "a count is infinite")
        if value < 0 or value != int(value):
            raise UnfitError("out_of_range", f"{value:g} is not a count")
        found.append(int(value))
    return found


def two_by_two(table: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """A table of 2 x 2 counts."""
    if len(table) != 2 or any(len(row) != 2 for row in table):
        raise UnfitError("unequal_lengths", "the table is not 2 x 2")
    return np.array([counts(row) for row in table], dtype=np.int64)


@tested("mcnemar")
def mcnemar(gained: int, lost: int, *, alternative: Alternative = "two-sided") -> TestResult:
    """Exact test of paired 0/1 scores: pairs that only the first has right against only the second."""
    gained, lost = counts([gained, lost])
    if gained + lost == 0:
        raise UnfitError("no_difference", "no pair disagrees")
    return TestResult(
        name="mcnemar",
        statistic=float(min(gained, lost)),
        p_value=binomial_p(gained, lost, alternative),
        notes=f"exact; only the first right: {gained}, only the second: {lost}",
    )


@tested("chi_square")
def chi_square(table: Sequence[Sequence[float]], *, yates: bool = False) -> TestResult:
    """Pearson's test that rows and columns of an r x c table are independent."""
    from scipy.stats import chi2_contingency

    if len({len(row) for row in table}) > 1:
        raise UnfitError("unequal_lengths", "the rows of the table differ in length")
    found = np.array([counts(row) for row in table], dtype=float)
    if found.ndim != 2 or min(found.shape) < 2:
        raise UnfitError("one_group", "the table needs two rows and two columns")
    if np.any(found.sum(axis=0) == 0) or np.any(found.sum(axis=1) == 0):
        raise UnfitError("zero_cell", "a whole row or column of the table is 0")
    result = chi2_contingency(found, correction=yates)
    low = int(np.sum(result.expected_freq < FEW_EXPECTED))
    rough = f"; rough: {low} cells expect fewer than {FEW_EXPECTED:g}" if low else ""
    return TestResult(
        name="chi_square",
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        df=(float(result.dof),),
        notes=("Yates' continuity" if yates else "without continuity correction") + rough,
    )


@tested("fisher")
def fisher(table: Sequence[Sequence[float]], *, alternative: Alternative = "two-sided") -> TestResult:
    """Fisher's exact test of a 2 x 2 table; the statistic is the sample odds ratio, None if infinite."""
    from scipy.stats import fisher_exact

    found = two_by_two(table)
    if np.any(found.sum(axis=0) == 0) or np.any(found.sum(axis=1) == 0):
        raise UnfitError("zero_cell", "a whole row or column of the table is 0")
    result = fisher_exact(found, alternative=alternative)
    ratio = float(result.statistic)
    return TestResult(
        name="fisher",
        statistic=ratio if math.isfinite(ratio) else None,
        p_value=float(result.pvalue),
        notes="exact, margins fixed",
    )


@tested("two_proportions")
def two_proportions(
    successes: tuple[int, int],
    trials: tuple[int, int],
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Score test of two independent rates with Newcombe's interval of their difference; z."""
    won, n = counts(successes), counts(trials)
    if min(n) == 0:
        raise UnfitError("too_few", "a sample has no trial")
    if won[0] > n[0] or won[1] > n[1]:
        raise UnfitError("out_of_range", "there are more successes than trials")
    pooled = sum(won) / sum(n)
    if pooled in (0.0, 1.0):
        raise UnfitError("constant", "every trial ended the same way")
    z = (won[0] / n[0] - won[1] / n[1]) / math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    tails = {
        "two-sided": math.erfc(abs(z) / math.sqrt(2)),
        "less": math.erfc(-z / math.sqrt(2)) / 2,
        "greater": math.erfc(z / math.sqrt(2)) / 2,
    }
    low = min(pooled, 1 - pooled) * min(n) < FEW_EXPECTED
    return TestResult(
        name="two_proportions",
        statistic=z,
        p_value=tails[alternative],
        interval=newcombe(won[0], n[0], won[1], n[1], probability(level, "the level")),
        notes="normal approximation, pooled rate" + (f"; rough: fewer than {FEW_EXPECTED:g} expected" * low),
    )
