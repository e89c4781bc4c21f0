"""What a comparison came to, in the words of a report.

Called by the overview and the table of comparisons. The verdict itself is that of the statistics and is not
touched: here an undecided one is told apart by why it is so, which the figures of the comparison say.
"""

from __future__ import annotations

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison

__all__ = ["ALIKE", "TOO_FEW", "outcome", "units"]

ALIKE = "no difference seen"
TOO_FEW = "too few pairs"


def outcome(comparison: Comparison, stats: StatsConfig) -> str:
    """The verdict in words; of an undecided one that all pairs are equal, or too few to decide anything."""
    if comparison.verdict != "undecided":
        return comparison.verdict.replace("_", " ")
    if _too_few(comparison, stats.alpha):
        return f"{TOO_FEW} ({comparison.n})"
    return ALIKE if _all_equal(comparison) else "undecided"


def _all_equal(comparison: Comparison) -> bool:
    """No pair differs: the mean difference is 0, and the effect has no value because all are the same."""
    effect = comparison.effect
    if comparison.difference != 0 or effect is None or effect.value is not None:
        return False
    return effect.reason == f"all {comparison.n} values are equal"


def _too_few(comparison: Comparison, alpha: float) -> bool:
    """Whether even pairs that all differ the same way have a p above alpha: flipping signs gives 2 / 2^n."""
    return 2.0 ** (1 - units(comparison)) >= alpha


def units(comparison: Comparison) -> int:
    """What varies independently."""
    return comparison.n if comparison.n_clusters is None else comparison.n_clusters
