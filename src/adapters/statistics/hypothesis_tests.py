"""The tests that a comparison can ask for, each as a function from pairs to a ``TestResult``.

Paired tests respect clusters: the t test by CR1 (Cameron & Miller 2015), permutation and Wilcoxon by flipping
whole clusters. The unpaired ones are there because some readers ask for them; they say that they ignore the
pairing. All are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ...messages.experiment import StatsConfig
from ...messages.findings import Interval, TestResult
from .bootstrap import bootstrap_mean
from .intervals import Estimate, student_interval
from .pairs import Floats, Pairs, stream
from .sign_flip import SignFlip, binomial_p, exact_sign_flip, sign_flip
from .student import t_quantile

__all__ = ["TESTS", "average_ranks", "mcnemar"]

IGNORES_PAIRS = "ignores that both systems answered the same examples"
IGNORES_CLUSTERS = " and ignores the clusters"


def permutation(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:
    """Sign-flip test of the mean difference; the statistic is that mean."""
    rng = stream(seed, "permutation")
    result = sign_flip(pairs.per_cluster(pairs.difference), iterations=config.iterations, rng=rng)
    return TestResult(
        name="permutation", statistic=estimate.mean, p_value=result.p_value, notes=_flips(result.notes, pairs)
    )


def _flips(notes: str, pairs: Pairs) -> str:
    return notes if pairs.cluster is None else f"{notes}; whole clusters flip"


def bootstrap(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:
    """BCa interval of the mean difference, p from the shifted bootstrap distribution."""
    rng = stream(seed, "bootstrap")
    result = bootstrap_mean(pairs, level=config.confidence_level, iterations=config.iterations, rng=rng)
    reason = None if result.p_value is not None else result.notes
    return TestResult(
        name="bootstrap",
        statistic=estimate.mean,
        p_value=result.p_value,
        interval=result.interval,
        reason=reason,
        notes="" if reason else result.notes,
    )


def paired_ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Student's t of the differences, with the CR1 error and t(C - 1) for clusters."""
    if estimate.error is None:
        return TestResult(name="paired_ttest", statistic=None, p_value=None, reason=estimate.reason)
    statistic = estimate.mean / estimate.error
    return TestResult(
        name="paired_ttest",
        statistic=statistic,
        p_value=_t_tails(statistic, estimate.df),
        interval=student_interval(estimate, config.confidence_level),
        notes=estimate.method,
    )


def _t_tails(statistic: float, df: float) -> float:
    from scipy.special import stdtr

    return 2 * float(stdtr(df, -abs(statistic)))


def wilcoxon(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Signed-rank test without zeros, ties at their average rank; exact where the flips can be counted.

    The statistic is the sum of the signed ranks, W+ - W-.

    Clusters: signed ranks are summed within clusters, and clusters flip (Rosner, Glynn & Lee 2006). Larger
    independent samples take the normal approximation with the variance of the tied ranks.
    """
    difference = pairs.difference
    if not difference.any():
        return TestResult(name="wilcoxon", statistic=None, p_value=None, reason="no pair differs")
    ranks = np.zeros_like(difference)
    moved = difference != 0.0
    ranks[moved] = average_ranks(np.abs(difference[moved]))
    signed = np.sign(difference) * ranks
    positive, negative = float(ranks[difference > 0].sum()), float(ranks[difference < 0].sum())
    biserial = f"rank-biserial r = {(positive - negative) / (positive + negative):.3g}"
    if pairs.cluster is None:
        result = exact_sign_flip(signed) or _normal_signed_ranks(signed)
    else:
        rng = stream(seed, "wilcoxon")
        result = sign_flip(pairs.per_cluster(signed), iterations=config.iterations, rng=rng)
    notes = f"{_flips(result.notes, pairs)}; {biserial}"
    return TestResult(name="wilcoxon", statistic=positive - negative, p_value=result.p_value, notes=notes)


def _normal_signed_ranks(signed: Floats) -> SignFlip:
    """Normal approximation with the variance of the tied ranks."""
    z = float(signed.sum()) / math.sqrt(float((signed**2).sum()))
    return SignFlip(
        p_value=math.erfc(abs(z) / math.sqrt(2)), exact=False, notes="normal approximation with ties"
    )


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks


def mcnemar(pairs: Pairs) -> TestResult:
    """Exact McNemar test of independent 0/1 pairs: binomial over the pairs that disagree."""
    gained, lost = int(np.sum(pairs.difference > 0)), int(np.sum(pairs.difference < 0))
    notes = f"exact; only the system right: {gained}, only the baseline right: {lost}"
    return TestResult(
        name="mcnemar", statistic=float(min(gained, lost)), p_value=binomial_p(gained, lost), notes=notes
    )


def _unpaired_notes(pairs: Pairs) -> str:
    return IGNORES_PAIRS if pairs.cluster is None else IGNORES_PAIRS + IGNORES_CLUSTERS


def _unpaired_t(name: str, pairs: Pairs, variance: float, df: float, level: float) -> TestResult:
    """From the variance of the difference of means and its degrees of freedom."""
    difference = float(pairs.system.mean() - pairs.baseline.mean())
    if not variance > 0:
        return TestResult(name=name, statistic=None, p_value=None, reason="both systems' scores are constant")
    error = math.sqrt(variance)
    half = t_quantile((1 + level) / 2, df) * error
    return TestResult(
        name=name,
        statistic=difference / error,
        p_value=_t_tails(difference / error, df),
        interval=Interval(
            low=difference - half, high=difference + half, level=level, method=f"unpaired t({df:.4g})"
        ),
        notes=_unpaired_notes(pairs),
    )


def ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Student's unpaired t with the pooled variance."""
    if pairs.n < 2:
        return TestResult(name="ttest", statistic=None, p_value=None, reason="one pair has no spread")
    pooled = float(pairs.system.var(ddof=1) + pairs.baseline.var(ddof=1)) / 2
    return _unpaired_t("ttest", pairs, 2 * pooled / pairs.n, 2 * pairs.n - 2, config.confidence_level)


def welch_ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Welch's unpaired t with Satterthwaite's degrees of freedom."""
    if pairs.n < 2:
        return TestResult(name="welch_ttest", statistic=None, p_value=None, reason="one pair has no spread")
    first, second = (float(column.var(ddof=1)) / pairs.n for column in (pairs.system, pairs.baseline))
    total = first + second
    df = (pairs.n - 1) * total**2 / (first**2 + second**2) if total > 0 else 1.0
    return _unpaired_t("welch_ttest", pairs, total, df, config.confidence_level)


def mann_whitney(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """SciPy's Mann-Whitney U (exact up to 8 scores without ties), with Cliff's delta."""
    from scipy.stats import mannwhitneyu

    if np.ptp(np.concatenate([pairs.system, pairs.baseline])) == 0.0:
        return TestResult(name="mann_whitney", statistic=None, p_value=None, reason="all scores are equal")
    result = mannwhitneyu(pairs.system, pairs.baseline, alternative="two-sided")
    delta = 2 * float(result.statistic) / pairs.n**2 - 1
    return TestResult(
        name="mann_whitney",
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        notes=f"{_unpaired_notes(pairs)}; Cliff's delta = {delta:.3g}",
    )


Test = Callable[[Pairs, Estimate, StatsConfig, int], TestResult]

TESTS: Mapping[str, Test] = {
    "permutation": permutation,
    "bootstrap": bootstrap,
    "paired_ttest": paired_ttest,
    "wilcoxon": wilcoxon,
    "ttest": ttest,
    "welch_ttest": welch_ttest,
    "mann_whitney": mann_whitney,
}
"""By the names of ``StatsConfig.tests``."""
