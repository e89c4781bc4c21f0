"""Three or more samples: one-way and Welch ANOVA, Kruskal-Wallis, Friedman.

The rank tests are SciPy's, with the correction for ties and the chi-square approximation, which their notes
call rough for small samples. Welch (1951), *On the comparison of several mean values*, Biometrika 38.
Friedman on 0/1 scores is Cochran's Q.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...messages.findings import TestResult
from .answers import UnfitError, groups_of, tested, without_spread
from .intervals import NO_SPREAD

__all__ = ["Variance", "anova", "friedman", "kruskal_wallis", "split_variance", "welch_anova"]

SMALL = 5
"""Below this many values in a group the chi-square approximation of the rank tests is rough."""


@tested("anova")
def anova(groups: Sequence[Sequence[float]]) -> TestResult:
    """One-way analysis of variance, equal variances assumed; F."""
    from scipy.special import fdtrc

    parts = split_variance(groups)
    statistic = parts.between / parts.df1 / (parts.within / parts.df2)
    return TestResult(
        name="anova",
        statistic=statistic,
        p_value=float(fdtrc(parts.df1, parts.df2, statistic)),
        df=(parts.df1, parts.df2),
        notes="assumes equal variances",
    )


class Variance(NamedTuple):
    """Sums of squares between and within groups, their degrees of freedom, and all values."""

    between: float
    within: float
    df1: float
    df2: float
    n: int


def split_variance(groups: Sequence[Sequence[float]]) -> Variance:
    """Both sums from the means, so that neither can come out below 0, as SciPy's can by rounding."""
    found = groups_of(groups, least=1)
    both = np.concatenate(found)
    df2 = len(both) - len(found)
    if df2 < 1:
        raise UnfitError("too_few", "no group has two values")
    if without_spread(found):
        raise UnfitError("constant", "every group is constant: there is no spread to compare with")
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in found)
    between = sum(len(group) * float(group.mean() - both.mean()) ** 2 for group in found)
    return Variance(between, within, float(len(found) - 1), float(df2), len(both))


@tested("welch_anova")
def welch_anova(groups: Sequence[Sequence[float]]) -> TestResult:
    """Welch's analysis of variance: no assumption about the variances."""
    from scipy.special import fdtrc

    found = groups_of(groups)
    largest = max(float(np.abs(group).max()) for group in found)
    for number, group in enumerate(found, 1):
        if float(np.ptp(group)) <= NO_SPREAD * largest:
            raise UnfitError("constant", f"group {number} is constant: its weight would be infinite")
    k = len(found)
    sizes = np.array([len(group) for group in found], dtype=float)
    means = np.array([group.mean() for group in found])
    weights = sizes / np.array([group.var(ddof=1) for group in found])
    centre = float((weights * means).sum() / weights.sum())
    between = float((weights * (means - centre) ** 2).sum()) / (k - 1)
    spread = float(((1 - weights / weights.sum()) ** 2 / (sizes - 1)).sum())
    statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    df = (k**2 - 1) / (3 * spread)
    return TestResult(
        name="welch_anova",
        statistic=statistic,
        p_value=float(fdtrc(k - 1, df, statistic)),
        df=(float(k - 1), df),
    )


@tested("kruskal_wallis")
def kruskal_wallis(groups: Sequence[Sequence[float]]) -> TestResult:
    """Whether values of some group tend to be larger; H with the correction for ties."""
    from scipy.stats import kruskal

    found = groups_of(groups, least=1)
    if np.ptp(np.concatenate(found)) == 0.0:
        raise UnfitError("constant", "all values are equal")
    result = kruskal(*found)
    return TestResult(
        name="kruskal_wallis",
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        df=(float(len(found) - 1),),
        notes=_chi_square(min(len(group) for group in found), "values in a group"),
    )


@tested("friedman")
def friedman(treatments: Sequence[Sequence[float]]) -> TestResult:
    """Three or more treatments of the same blocks (systems on the same examples); ties corrected."""
    from scipy.stats import friedmanchisquare

    found = groups_of(treatments)
    if len(found) < 3:
        raise UnfitError("one_group", f"{len(found)} of the 3 treatments that are needed")
    if len({len(treatment) for treatment in found}) > 1:
        raise UnfitError("unequal_lengths", "every treatment needs a value for every block")
    table = np.stack(found)
    if np.all(np.ptp(table, axis=0) == 0.0):
        raise UnfitError("no_difference", "within every block all values are equal")
    result = friedmanchisquare(*found)
    return TestResult(
        name="friedman",
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        df=(float(len(found) - 1),),
        notes=_chi_square(table.shape[1], "blocks"),
    )


def _chi_square(smallest: int, what: str) -> str:
    rough = f", rough with fewer than {SMALL} {what}" if smallest < SMALL else ""
    return f"chi-square approximation with ties{rough}"
