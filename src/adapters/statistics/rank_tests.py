"""Mann-Whitney and Wilcoxon, exact for small samples with or without ties.

Two independent samples: the distribution of the rank sum over all ways to deal the ranks, counted by the
shift algorithm (Streitberg & Röhmel 1986), so ties need no approximation. Where that costs too much, SciPy's
normal approximation with the variance of the tied ranks and continuity. Two-sided p is twice the smaller
tail.
Paired samples: the sign-flip distribution of the signed ranks, see ``sign_flip``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...messages.findings import TestResult
from .answers import Alternative, UnfitError, columns, paired_columns, tested
from .pairs import Floats, Pairs
from .sign_flip import SignFlip, exact_sign_flip

__all__ = ["average_ranks", "mann_whitney", "normal_signed_ranks", "rank_sum_p", "signed_ranks", "wilcoxon"]

MAX_CELLS = 100_000_000
"""Additions that the exact distribution of a rank sum may cost: about a quarter of a second."""


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks


@tested("mann_whitney")
def mann_whitney(
    first: Sequence[float], second: Sequence[float], *, alternative: Alternative = "two-sided"
) -> TestResult:
    """Whether values of one sample tend to be larger; the statistic is U of the first sample."""
    x, y = columns(first, second, least=1)
    both = np.concatenate([x, y])
    if np.ptp(both) == 0.0:
        raise UnfitError("constant", "all values are equal")
    ranks = average_ranks(both)
    u = float(ranks[: len(x)].sum()) - len(x) * (len(x) + 1) / 2
    p_value, notes = rank_sum_p(ranks, len(x), alternative)
    if p_value is None:
        from scipy.stats import mannwhitneyu

        p_value = float(mannwhitneyu(x, y, alternative=alternative, method="asymptotic").pvalue)
    return TestResult(name="mann_whitney", statistic=u, p_value=p_value, notes=notes)


def rank_sum_p(ranks: Floats, n: int, alternative: Alternative) -> tuple[float | None, str]:
    """Exact p of the rank sum of the first ``n``, and how; None where it would cost too much."""
    steps = np.rint(2 * ranks).astype(np.int64)
    steps -= steps.min()
    divisor = np.gcd.reduce(steps)
    steps //= max(1, int(divisor))
    small = min(n, len(steps) - n)
    top = int(np.sort(steps)[len(steps) - small :].sum())
    if len(steps) * (small + 1) * (top + 1) > MAX_CELLS:
        return None, "normal approximation with ties and continuity"
    ways = np.zeros((small + 1, top + 1))
    ways[0, 0] = 1.0
    for step in steps.tolist():
        ways[1:, step:] += ways[:-1, : top + 1 - step].copy()
    share = ways[small] / ways[small].sum()
    mirrored = small != n
    observed = int(steps[n:].sum() if mirrored else steps[:n].sum())
    below, above = float(share[: observed + 1].sum()), float(share[observed:].sum())
    less, greater = (above, below) if mirrored else (below, above)
    if alternative == "two-sided":
        return min(1.0, 2 * min(less, greater)), "exact"
    return min(1.0, less if alternative == "less" else greater), "exact"


@tested("wilcoxon")
def wilcoxon(
    first: Sequence[float], second: Sequence[float], *, alternative: Alternative = "two-sided"
) -> TestResult:
    """Signed-rank test of paired samples without zeros; the statistic is W+ - W-."""
    x, y = paired_columns(first, second, least=1)
    difference = Pairs(system=x, baseline=y, cluster=None).difference
    if not difference.any():
        raise UnfitError("no_difference", "no pair differs")
    signed = signed_ranks(difference)
    result = exact_sign_flip(signed, alternative) or normal_signed_ranks(signed, alternative)
    dropped = len(difference) - int(np.count_nonzero(difference))
    notes = f"{result.notes}; {dropped} pairs without difference dropped" if dropped else result.notes
    return TestResult(name="wilcoxon", statistic=float(signed.sum()), p_value=result.p_value, notes=notes)


def signed_ranks(difference: Floats) -> Floats:
    """Ranks of the sizes of the differences with their signs; 0 for a difference of 0."""
    ranks = np.zeros_like(difference)
    moved = difference != 0.0
    ranks[moved] = average_ranks(np.abs(difference[moved]))
    signed: Floats = np.sign(difference) * ranks
    return signed


def normal_signed_ranks(signed: Floats, alternative: Alternative = "two-sided") -> SignFlip:
    """Normal approximation with the variance of the tied ranks."""
    z = float(signed.sum()) / math.sqrt(float((signed**2).sum()))
    if alternative == "two-sided":
        p_value = math.erfc(abs(z) / math.sqrt(2))
    else:
        p_value = math.erfc((z if alternative == "greater" else -z) / math.sqrt(2)) / 2
    return SignFlip(p_value=p_value, exact=False, notes="normal approximation with ties")
