"""A comparison in words."""

from __future__ import annotations

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, TestResult

__all__ = ["decision", "finding", "number", "p_text"]

WHY = {
    "permutation": "it assumes only that a difference could as well have had the other sign",
    "bootstrap": "it was the first test asked for; it resamples the differences",
    "paired_ttest": "it was the first test asked for; it assumes that the mean difference is about normal",
    "wilcoxon": "it was the first test asked for; it looks at ranks, not at the mean",
}
CORRECTIONS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "benjamini_hochberg": "Benjamini-Hochberg",
    "benjamini_yekutieli": "Benjamini-Yekutieli",
}


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def p_text(p_value: float) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def finding(comparison: Comparison, detectable: float | None, config: StatsConfig) -> str:
    """What was measured: difference, interval, pairs, and the smallest difference that could show."""
    if comparison.difference is None:
        return ""
    amount, pairs = comparison.difference, f"{comparison.n} pair{'s' if comparison.n != 1 else ''}"
    if comparison.n_clusters is not None:
        pairs += f" in {comparison.n_clusters} clusters"
    text = f"{comparison.system} minus {comparison.baseline} on {comparison.metric}: {number(amount)}"
    if comparison.interval is not None:
        interval = comparison.interval
        text += f", {100 * interval.level:g} % interval {number(interval.low)} to {number(interval.high)}"
    elif comparison.effect is not None and comparison.effect.reason:
        text += f", no interval ({comparison.effect.reason})"
    text += f", over {pairs}."
    if detectable is not None:
        raw = "" if config.correction == "none" else ", before correction"
        text += (
            f" These {pairs} could show a difference of {number(detectable)} with power 0.8 at alpha"
            f" {config.alpha:g}{raw}."
        )
    return text


def decision(comparison: Comparison, primary: TestResult | None, config: StatsConfig) -> str:
    """The verdict, the p value that it rests on and why that test decides."""
    if comparison.verdict == "no_data":
        return "No data: no example has both scores."
    if primary is None or primary.p_value is None:
        reason = "no test was asked for" if primary is None else f"{primary.name}: {primary.reason}"
        return f"Undecided, {reason}."
    p_value = primary.p_value if primary.p_adjusted is None else primary.p_adjusted
    opposed = (
        ", but ranks and means disagree" if primary.significant and comparison.verdict == "undecided" else ""
    )
    corrected = f" after {CORRECTIONS[config.correction]} correction" if config.correction != "none" else ""
    why = WHY.get(primary.name, "it was the first test asked for; it ignores the pairing")
    if primary.name == "auto":
        why = f"it fits the scores ({primary.notes})"
    same = _equivalence(comparison, config)
    return (
        f"{comparison.verdict.capitalize()}{same} at alpha {config.alpha:g}: {primary.name} {p_text(p_value)}"
        f"{corrected}{opposed}; this test decides because {why}.{_needed(comparison)}"
    )


def _equivalence(comparison: Comparison, config: StatsConfig) -> str:
    """The margin and the p value of equivalence, when that is the verdict."""
    test = next((test for test in comparison.tests if test.name == "tost"), None)
    if comparison.verdict != "equivalent" or test is None or config.equivalence_margin is None:
        return ""
    p_value = test.p_adjusted if test.p_adjusted is not None else test.p_value
    return f" within {number(config.equivalence_margin)} (tost {p_text(p_value or 0.0)}), no difference shown"


def _needed(comparison: Comparison) -> str:
    """How many pairs a difference of this size takes, where these were too few."""
    if comparison.verdict != "undecided" or comparison.needed is None or comparison.difference is None:
        return ""
    units, have = ("pairs", comparison.n)
    if comparison.n_clusters is not None:
        units, have = ("clusters", comparison.n_clusters)
    if comparison.needed <= have:
        return ""
    size, units = number(abs(comparison.difference)), f"{comparison.needed} {units}"
    return f" A difference of {size} takes about {units} like these to show with power 0.8."
