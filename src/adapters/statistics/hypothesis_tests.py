"""The tests that a comparison can ask for, each as a function from pairs to a ``TestResult``.

Paired tests respect clusters: the t test by CR1 (Cameron & Miller 2015), permutation and Wilcoxon by flipping
whole clusters. The unpaired ones are there because some readers ask for them; they say that they ignore the
pairing. All are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from ...messages.experiment import StatsConfig
from ...messages.findings import Status, TestResult
from . import rank_tests
from .bootstrap import bootstrap_mean
from .equivalence import tost
from .intervals import Estimate
from .pairs import Pairs, stream
from .rank_tests import normal_signed_ranks, signed_ranks
from .sign_flip import binomial_p, exact_sign_flip, sign_flip
from .t_tests import t_outcome

__all__ = ["TESTS", "equivalent", "mcnemar"]

IGNORES_PAIRS = "ignores that both systems answered the same examples"
IGNORES_CLUSTERS = " and ignores the clusters"
ONE_PAIR = "one pair has no spread"


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
    """BCa interval of the mean difference, p from studentised resamples."""
    rng = stream(seed, "bootstrap")
    result = bootstrap_mean(pairs, level=config.confidence_level, iterations=config.iterations, rng=rng)
    reason = None if result.p_value is not None else result.notes
    return TestResult(
        name="bootstrap",
        statistic=estimate.mean,
        p_value=result.p_value,
        interval=result.interval,
        reason=reason,
        status="constant" if reason else "ok",
        notes="" if reason else result.notes,
    )


def _unfit(estimate: Estimate) -> Status:
    return "too_few" if estimate.n == 1 or estimate.clusters == 1 else "constant"


def paired_ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Student's t of the differences, with the CR1 error and t(C - 1) for clusters."""
    if estimate.error is None:
        return TestResult(
            name="paired_ttest", statistic=None, p_value=None, status=_unfit(estimate), reason=estimate.reason
        )
    return t_outcome(
        "paired_ttest",
        estimate.mean,
        estimate.error,
        estimate.df,
        level=config.confidence_level,
        method=estimate.method,
        notes=estimate.method,
    )


def wilcoxon(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Signed-rank test without zeros, ties at their average rank; exact where the flips can be counted.

    The statistic is the sum of the signed ranks, W+ - W-.

    Clusters: signed ranks are summed within clusters, and clusters flip (Rosner, Glynn & Lee 2006). Larger
    independent samples take the normal approximation with the variance of the tied ranks.
    """
    difference = pairs.difference
    if not difference.any():
        return TestResult(
            name="wilcoxon", statistic=None, p_value=None, status="no_difference", reason="no pair differs"
        )
    signed = signed_ranks(difference)
    positive, negative = float(signed[signed > 0].sum()), -float(signed[signed < 0].sum())
    biserial = f"rank-biserial r = {(positive - negative) / (positive + negative):.3g}"
    if pairs.cluster is None:
        result = exact_sign_flip(signed) or normal_signed_ranks(signed)
    else:
        rng = stream(seed, "wilcoxon")
        result = sign_flip(pairs.per_cluster(signed), iterations=config.iterations, rng=rng)
    notes = f"{_flips(result.notes, pairs)}; {biserial}"
    return TestResult(name="wilcoxon", statistic=positive - negative, p_value=result.p_value, notes=notes)


def auto(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:
    """The test that fits the scores, with the reason in its notes; its name stays ``auto``."""
    from .choice import choose_paired

    clustered = pairs.cluster is not None
    choice = choose_paired(pairs.difference, binary=pairs.binary, clustered=clustered)
    if choice.test == "mcnemar":
        result = mcnemar(pairs)
    elif choice.test == "paired_t":
        result = paired_ttest(pairs, estimate, config, seed)
    else:
        result = permutation(pairs, estimate, config, seed)
    notes = "; ".join(part for part in (f"{choice.test}: {choice.reason}", result.notes) if part)
    return msgspec.structs.replace(result, name="auto", notes=notes)


def equivalent(estimate: Estimate, config: StatsConfig) -> TestResult:
    """Whether the difference is smaller than the margin: both one-sided tests, clusters respected."""
    margin = config.equivalence_margin
    if estimate.error is None or margin is None:
        return TestResult(
            name="tost", statistic=None, p_value=None, status=_unfit(estimate), reason=estimate.reason
        )
    return tost(
        "tost",
        estimate.mean,
        estimate.error,
        estimate.df,
        margin=margin,
        alpha=config.alpha,
        method=estimate.method,
    )


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
        reason = "both systems' scores are constant"
        return TestResult(name=name, statistic=None, p_value=None, status="constant", reason=reason)
    return t_outcome(
        name,
        difference,
        math.sqrt(variance),
        df,
        level=level,
        method=f"unpaired t({df:.4g})",
        notes=_unpaired_notes(pairs),
    )


def ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Student's unpaired t with the pooled variance."""
    if pairs.n < 2:
        return TestResult(name="ttest", statistic=None, p_value=None, status="too_few", reason=ONE_PAIR)
    pooled = float(pairs.system.var(ddof=1) + pairs.baseline.var(ddof=1)) / 2
    return _unpaired_t("ttest", pairs, 2 * pooled / pairs.n, 2 * pairs.n - 2, config.confidence_level)


def welch_ttest(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Welch's unpaired t with Satterthwaite's degrees of freedom."""
    if pairs.n < 2:
        return TestResult(name="welch_ttest", statistic=None, p_value=None, status="too_few", reason=ONE_PAIR)
    first, second = (float(column.var(ddof=1)) / pairs.n for column in (pairs.system, pairs.baseline))
    total = first + second
    df = (pairs.n - 1) * total**2 / (first**2 + second**2) if total > 0 else 1.0
    return _unpaired_t("welch_ttest", pairs, total, df, config.confidence_level)


def mann_whitney(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> TestResult:  # noqa: ARG001
    """Mann-Whitney U, exact where that is affordable, with Cliff's delta."""
    result = rank_tests.mann_whitney(pairs.system.tolist(), pairs.baseline.tolist())
    if result.statistic is None:
        return result
    delta = 2 * result.statistic / pairs.n**2 - 1
    notes = f"{_unpaired_notes(pairs)}; {result.notes}; Cliff's delta = {delta:.3g}"
    return msgspec.structs.replace(result, notes=notes)


Test = Callable[[Pairs, Estimate, StatsConfig, int], TestResult]

TESTS: Mapping[str, Test] = {
    "auto": auto,
    "permutation": permutation,
    "bootstrap": bootstrap,
    "paired_ttest": paired_ttest,
    "wilcoxon": wilcoxon,
    "ttest": ttest,
    "welch_ttest": welch_ttest,
    "mann_whitney": mann_whitney,
}
"""By the names of ``StatsConfig.tests``."""
