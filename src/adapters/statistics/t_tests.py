"""Student's, Welch's and the paired t test.

Formulas as in R's ``t.test`` and ``scipy.stats``; the distribution is ``scipy.special.stdtr``, which costs a
fraction of the import of ``scipy.stats``. The interval of the difference is two-sided whatever the
alternative. Welch is the default elsewhere: Student's test is wrong when the smaller group varies more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...messages.findings import Interval, TestResult
from .answers import Alternative, UnfitError, columns, is_constant, paired_columns, probability, tested
from .intervals import NO_SPREAD
from .pairs import Floats
from .student import t_quantile

__all__ = [
    "paired_error",
    "paired_t",
    "pooled_error",
    "student_t",
    "t_outcome",
    "t_tail",
    "welch_error",
    "welch_t",
]


def t_tail(statistic: float, df: float, alternative: Alternative = "two-sided") -> float:
    """The p value of a t statistic."""
    from scipy.special import stdtr

    if alternative == "two-sided":
        return 2 * float(stdtr(df, -abs(statistic)))
    if alternative not in ("less", "greater"):
        raise ValueError(f"unknown alternative {alternative!r}")
    return float(stdtr(df, statistic if alternative == "less" else -statistic))


def t_outcome(
    name: str,
    difference: float,
    error: float,
    df: float,
    *,
    level: float,
    method: str,
    alternative: Alternative = "two-sided",
    notes: str = "",
) -> TestResult:
    """The result of a t test from its difference, standard error and degrees of freedom."""
    half = t_quantile((1 + level) / 2, df) * error
    return TestResult(
        name=name,
        statistic=difference / error,
        p_value=t_tail(difference / error, df, alternative),
        interval=Interval(low=difference - half, high=difference + half, level=level, method=method),
        df=(df,),
        notes=notes,
    )


@tested("student_t")
def student_t(
    first: Sequence[float],
    second: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Student's t of two independent samples, equal variances assumed; one sample may have one value."""
    x, y = columns(first, second, least=1)
    error, df = pooled_error(x, y)
    return t_outcome(
        "student_t",
        float(x.mean() - y.mean()),
        error,
        df,
        level=probability(level, "the level"),
        alternative=alternative,
        method=f"pooled t({df:g})",
        notes="assumes equal variances",
    )


@tested("welch_t")
def welch_t(
    first: Sequence[float],
    second: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Welch's t of two independent samples, Satterthwaite's degrees of freedom."""
    x, y = columns(first, second)
    error, df = welch_error(x, y)
    return t_outcome(
        "welch_t",
        float(x.mean() - y.mean()),
        error,
        df,
        level=probability(level, "the level"),
        alternative=alternative,
        method=f"Welch t({df:.4g})",
    )


def welch_error(x: Floats, y: Floats) -> tuple[float, float]:
    """Standard error of the difference of means and Satterthwaite's degrees of freedom."""
    first, second = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    total = first + second
    _need_spread(math.sqrt(total), x, y)
    share = first / total  # shares, because the squares of tiny variances underflow
    df = 1 / (share**2 / (len(x) - 1) + (1 - share) ** 2 / (len(y) - 1))
    return math.sqrt(total), df


@tested("paired_t")
def paired_t(
    first: Sequence[float],
    second: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Student's t of the differences first - second."""
    difference, error, df = paired_error(*paired_columns(first, second))
    return t_outcome(
        "paired_t",
        difference,
        error,
        df,
        level=probability(level, "the level"),
        alternative=alternative,
        method=f"paired t({df:g})",
    )


def paired_error(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Mean difference, its standard error and degrees of freedom."""
    difference = x - y
    error = float(difference.std(ddof=1)) / math.sqrt(len(x))
    if is_constant(difference) or error <= NO_SPREAD * max(abs(x).max(), abs(y).max()):
        raise UnfitError("constant", f"all {len(x)} differences are equal")
    return float(difference.mean()), error, float(len(x) - 1)


def pooled_error(x: Floats, y: Floats) -> tuple[float, float]:
    """Standard error of the difference of means from the pooled variance, and degrees of freedom."""
    df = len(x) + len(y) - 2
    if df < 1:
        raise UnfitError("too_few", "two values, one in each sample, have no spread")
    pooled = (_squares(x) + _squares(y)) / df
    error = math.sqrt(pooled * (1 / len(x) + 1 / len(y)))
    _need_spread(error, x, y)
    return error, float(df)


def _squares(values: Floats) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _need_spread(error: float, x: Floats, y: Floats) -> None:
    if error <= NO_SPREAD * max(abs(x).max(), abs(y).max()):
        raise UnfitError("constant", "both samples are constant")
