"""Equivalence: two one-sided t tests (Schuirmann 1987).

Are two means the same, within a margin that was stated before? p is the larger of the two one-sided p values;
the interval has level 1 - 2 alpha and lies inside the margins exactly when p < alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from ...messages.findings import TestResult
from .answers import UnfitError, columns, paired_columns, probability, tested
from .t_tests import paired_error, pooled_error, t_outcome, t_tail, welch_error

__all__ = ["equivalence", "paired_equivalence", "tost"]


def tost(
    name: str, difference: float, error: float, df: float, *, margin: float, alpha: float, method: str
) -> TestResult:
    """Both one-sided tests from a difference, its standard error and degrees of freedom."""
    if not (math.isfinite(margin) and margin > 0):
        raise UnfitError("out_of_range", f"the margin is {margin:g}, not a positive number")
    probability(alpha, "alpha")
    above = t_tail((difference + margin) / error, df, "greater")
    below = t_tail((difference - margin) / error, df, "less")
    p_value = max(above, below)
    found = t_outcome(name, difference, error, df, level=1 - 2 * alpha, method=f"{method}, 1 - 2 alpha")
    verdict = "equivalent" if p_value < alpha else "not shown to be equivalent"
    return msgspec.structs.replace(
        found,
        statistic=((difference + margin) if above >= below else (difference - margin)) / error,
        p_value=p_value,
        significant=p_value < alpha,
        notes=f"{verdict} within {margin:g}; p against below {above:.3g}, against above {below:.3g}",
    )


@tested("tost")
def equivalence(
    first: Sequence[float],
    second: Sequence[float],
    *,
    margin: float,
    alpha: float = 0.05,
    equal_variances: bool = False,
) -> TestResult:
    """Two independent samples; Welch unless equal variances are assumed."""
    x, y = columns(first, second)
    error, df = pooled_error(x, y) if equal_variances else welch_error(x, y)
    method = f"{'pooled' if equal_variances else 'Welch'} t({df:.4g})"
    difference = float(x.mean() - y.mean())
    return tost("tost", difference, error, df, margin=margin, alpha=alpha, method=method)


@tested("tost_paired")
def paired_equivalence(
    first: Sequence[float], second: Sequence[float], *, margin: float, alpha: float = 0.05
) -> TestResult:
    """Paired samples, by the differences first - second."""
    difference, error, df = paired_error(*paired_columns(first, second))
    name, method = "tost_paired", f"paired t({df:g})"
    return tost(name, difference, error, df, margin=margin, alpha=alpha, method=method)
