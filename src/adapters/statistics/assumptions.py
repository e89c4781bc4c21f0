"""What a test assumes, checked: normal shape (Shapiro-Wilk), equal variances (Levene, Brown-Forsythe).

``assess`` says in words what the check found. The checks inform; they do not pick between Student and Welch,
because choosing by a first test spoils the second (Zimmerman 2004, *A note on preliminary tests of equality
of variances*).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...messages.base import Message
from ...messages.findings import TestResult
from .answers import UnfitError, column, groups_of, is_constant, tested
from .pairs import Floats

__all__ = ["Assumption", "brown_forsythe", "levene", "shape", "shapiro_wilk", "similar_variances"]

FEW = 8
"""With fewer values the shape of a sample cannot be judged."""

MAX_SHAPIRO = 5000
MAX_SKEWNESS, MAX_KURTOSIS = 2.0, 7.0
"""Beyond these (West, Finch & Curran 1995) means of moderate samples are no longer about normal."""


class Assumption(Message, frozen=True):
    """Something a test takes for granted; ``holds`` is None where the data cannot tell."""

    name: str
    holds: bool | None
    text: str


@tested("shapiro_wilk")
def shapiro_wilk(values: Sequence[float]) -> TestResult:
    """Whether a sample of 3 to 5,000 could come from a normal distribution; W."""
    from scipy.stats import shapiro

    found = column(values, least=3)
    if len(found) > MAX_SHAPIRO:
        raise UnfitError("out_of_range", f"{len(found)} values; W is calibrated for 3 to {MAX_SHAPIRO}")
    if is_constant(found):
        raise UnfitError("constant", f"all {len(found)} values are equal")
    result = shapiro(found)
    return TestResult(name="shapiro_wilk", statistic=float(result.statistic), p_value=float(result.pvalue))


@tested("levene")
def levene(groups: Sequence[Sequence[float]]) -> TestResult:
    """Equal variances, by the distances from the group means."""
    return _levene("levene", groups, "mean")


@tested("brown_forsythe")
def brown_forsythe(groups: Sequence[Sequence[float]]) -> TestResult:
    """Equal variances, by the distances from the group medians: robust against skew."""
    return _levene("brown_forsythe", groups, "median")


def _levene(name: str, groups: Sequence[Sequence[float]], centre: str) -> TestResult:
    from scipy import stats

    found = groups_of(groups)
    middle = np.mean if centre == "mean" else np.median
    if all(is_constant(np.abs(group - middle(group))) for group in found):
        raise UnfitError("constant", "within each group all distances from the centre are equal")
    result = stats.levene(*found, center=centre)
    total = sum(len(group) for group in found)
    return TestResult(
        name=name,
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        df=(float(len(found) - 1), float(total - len(found))),
    )


def shape(values: Floats, what: str) -> Assumption:
    """Whether the mean of ``values`` can be taken for about normal: by skewness and excess kurtosis.

    Not by the p value of Shapiro-Wilk, which forgives anything in small samples and nothing in large ones;
    the text gives it all the same.
    """
    n, name = len(values), f"shape of {what}"
    if n < FEW:
        return Assumption(name=name, holds=None, text=f"{what}: {n} values are too few to judge a shape")
    if is_constant(values):
        return Assumption(name=name, holds=False, text=f"{what}: all values are equal")
    skewness, kurtosis = _moments(values)
    holds = abs(skewness) < MAX_SKEWNESS and abs(kurtosis) < MAX_KURTOSIS
    test = shapiro_wilk(values.tolist())
    normal = "" if test.p_value is None else f", Shapiro-Wilk p = {test.p_value:.3g}"
    verdict = "near enough to normal for a mean" if holds else "too skewed or heavy-tailed for a t test"
    text = f"{what}: skewness {skewness:.2g}, excess kurtosis {kurtosis:.2g}{normal}: {verdict}"
    return Assumption(name=name, holds=holds, text=text)


def _moments(values: Floats) -> tuple[float, float]:
    """Sample skewness and excess kurtosis, bias-corrected (n >= 4, not constant)."""
    n = len(values)
    z = (values - values.mean()) / values.std(ddof=1)
    skewness = n / ((n - 1) * (n - 2)) * float((z**3).sum())
    kurtosis = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * float((z**4).sum())
    return skewness, kurtosis - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


def similar_variances(groups: Sequence[Floats]) -> Assumption:
    """Brown-Forsythe and the ratio of the largest to the smallest standard deviation, in words."""
    test = brown_forsythe([group.tolist() for group in groups])
    spreads = [float(group.std(ddof=1)) for group in groups if len(group) > 1]
    if test.p_value is None or min(spreads) == 0.0:
        return Assumption(name="equal variances", holds=None, text=f"equal variances: {test.reason}")
    ratio = max(spreads) / min(spreads)
    holds = test.p_value >= 0.05
    text = (
        f"equal variances: Brown-Forsythe p = {test.p_value:.3g}, standard deviations differ {ratio:.2g}-fold"
    )
    return Assumption(name="equal variances", holds=holds and math.isfinite(ratio), text=text)
