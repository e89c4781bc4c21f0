"""What a comparison came to, in the words of a report.

Called by the overview and the table of comparisons. The verdict itself is that of the statistics and is not
touched: here an undecided one is told apart by why it is so, which the figures of the comparison say.
"""

from __future__ import annotations

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, TestResult
from .numbers import count, plural

__all__ = ["ALIKE", "TOO_FEW", "deciding_test", "outcome", "pairs_in_words", "pairs_short"]

ALIKE = "no difference seen"
TOO_FEW = "too few pairs"
FLIPS = frozenset({"permutation", "wilcoxon", "auto"})
"""Tests that flip signs: of n pairs that all differ the same way p is 2 / 2^n and no less."""


def deciding_test(comparison: Comparison, stats: StatsConfig) -> TestResult | None:
    """The test that the verdict rests on: permutation if it was asked for, else the first."""
    name = "permutation" if "permutation" in stats.tests else next(iter(stats.tests), None)
    return next((test for test in comparison.tests if test.name == name), None)


def outcome(comparison: Comparison, stats: StatsConfig) -> str:
    """The verdict in words; of an undecided one that all pairs are equal, or too few to decide anything."""
    if comparison.verdict != "undecided":
        return comparison.verdict.replace("_", " ")
    if _too_few(comparison, stats):
        return f"{TOO_FEW} ({pairs_short(comparison)})"
    return ALIKE if _all_equal(comparison) else "undecided"


def pairs_short(comparison: Comparison) -> str:
    """``24``, or ``24/21 cl.`` of pairs in clusters."""
    if comparison.n_clusters is None:
        return count(comparison.n)
    return f"{count(comparison.n)}/{count(comparison.n_clusters)} cl."


def pairs_in_words(comparison: Comparison) -> str:
    """``24 pairs``, or ``24 pairs in 21 clusters``."""
    pairs = plural(comparison.n, "pair")
    if comparison.n_clusters is None:
        return pairs
    return f"{pairs} in {plural(comparison.n_clusters, 'cluster')}"


def _all_equal(comparison: Comparison) -> bool:
    """No pair differs: the mean difference is 0, and the effect has no value because all are the same."""
    effect = comparison.effect
    if comparison.difference != 0 or effect is None or effect.value is not None:
        return False
    return effect.reason == f"all {comparison.n} values are equal"


def _too_few(comparison: Comparison, stats: StatsConfig) -> bool:
    """Whether the test that decides could show no difference of so many pairs or clusters, however large."""
    independent = comparison.n if comparison.n_clusters is None else comparison.n_clusters
    test = deciding_test(comparison, stats)
    if test is None or test.name not in FLIPS:
        return independent < 2
    return 2.0 ** (1 - independent) >= stats.alpha
