"""Which test fits a question, with the reason in words, what it assumes, and its result with effects.

The design and the scale decide, not a first test of the data, because choosing by one test spoils the next
(Rasch, Kubinger & Moder 2011): pairs or not, 0/1, ordered or measured, two samples or more. Only whether a
mean is safe with a t test depends on the data, by sample size, skewness and kurtosis; the alternative is a
permutation of the same mean, so that the question stays the same. Student's t is never chosen, Welch's t
is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from ...messages.base import Message
from ...messages.findings import TestResult
from . import (
    effect_sizes,
    explained_variance,
    group_tests,
    odds,
    permutation,
    rank_tests,
    t_tests,
    table_tests,
)
from .answers import Figure, columns, groups_of, paired_columns
from .assumptions import Assumption, shape, similar_variances
from .dominance import cliffs_delta, matched_rank_biserial
from .pairs import Floats
from .unfit import UnfitError

__all__ = ["Answer", "Choice", "Scale", "choose_paired", "compare_groups", "compare_two"]

Scale = Literal["measured", "ordered"]
"""Whether differences of values mean something, or their order only. 0/1 is seen by itself."""

FEW_EXPECTED = 5.0


class Choice(Message, frozen=True):
    """A test, why it was chosen, and what was checked."""

    test: str
    reason: str
    assumptions: tuple[Assumption, ...] = ()


class Answer(Message, frozen=True):
    """The chosen test with its result and the effects that belong to it."""

    choice: Choice
    result: TestResult
    effects: tuple[Figure, ...] = ()


def compare_two(
    first: Sequence[float],
    second: Sequence[float],
    *,
    paired: bool,
    scale: Scale = "measured",
    level: float = 0.95,
    iterations: int = 10_000,
    seed: int = 0,
) -> Answer:
    """Choose and run the test of two samples. Unfit input gives a result with a status."""
    try:
        x, y = paired_columns(first, second) if paired else columns(first, second)
    except UnfitError as unfit:
        return _none(unfit)
    a, b = x.tolist(), y.tolist()
    binary = _binary(x) and _binary(y)
    if paired:
        choice = choose_paired(x - y, binary=binary, clustered=False, scale=scale)
    else:
        choice = _choose_independent(x, y, binary=binary, scale=scale)
    gained, lost = (int(np.sum(x > y)), int(np.sum(x < y))) if paired else (0, 0)
    table = [[int(x.sum()), int((1 - x).sum())], [int(y.sum()), int((1 - y).sum())]] if binary else []
    run: dict[str, Callable[[], TestResult]] = {
        "mcnemar": lambda: table_tests.mcnemar(gained, lost),
        "fisher": lambda: table_tests.fisher(table),
        "two_proportions": lambda: table_tests.two_proportions(
            (table[0][0], table[1][0]), (len(x), len(y)), level=level
        ),
        "wilcoxon": lambda: rank_tests.wilcoxon(a, b),
        "mann_whitney": lambda: rank_tests.mann_whitney(a, b),
        "paired_t": lambda: t_tests.paired_t(a, b, level=level),
        "welch_t": lambda: t_tests.welch_t(a, b, level=level),
        "paired_permutation": lambda: permutation.paired_permutation(a, b, iterations=iterations, seed=seed),
        "permutation": lambda: permutation.permutation(
            a, b, studentised=True, iterations=iterations, seed=seed
        ),
    }
    effects: dict[str, Callable[[], tuple[Figure, ...]]] = {
        "mcnemar": lambda: (odds.matched_odds_ratio(gained, lost, level=level),),
        "fisher": lambda: (odds.odds_ratio(table, level=level),),
        "two_proportions": lambda: (odds.odds_ratio(table, level=level),),
        "wilcoxon": lambda: (matched_rank_biserial(a, b, level=level),),
        "mann_whitney": lambda: (cliffs_delta(a, b, level=level),),
        "paired_t": lambda: (effect_sizes.d_z(a, b, level=level),),
        "welch_t": lambda: (effect_sizes.hedges_g(a, b, level=level), cliffs_delta(a, b, level=level)),
        "paired_permutation": lambda: (effect_sizes.d_z(a, b, level=level),),
        "permutation": lambda: (cliffs_delta(a, b, level=level),),
    }
    return Answer(choice=choice, result=run[choice.test](), effects=effects[choice.test]())


def choose_paired(difference: Floats, *, binary: bool, clustered: bool, scale: Scale = "measured") -> Choice:
    """The test of paired scores, from their differences."""
    if clustered:
        reason = "scores of one cluster depend on each other, and whole clusters can flip their sign"
        return Choice(test="paired_permutation", reason=reason)
    if binary:
        return Choice(test="mcnemar", reason="paired 0/1 scores: only pairs that disagree tell anything")
    if scale == "ordered":
        reason = "paired scores of which only the order counts: ranks of the differences"
        return Choice(test="wilcoxon", reason=reason)
    found = shape(difference, "differences")
    if found.holds:
        reason = f"paired scores, and {found.text}"
        return Choice(test="paired_t", reason=reason, assumptions=(found,))
    reason = f"paired scores, but {found.text}; flipping signs assumes symmetry only"
    return Choice(test="paired_permutation", reason=reason, assumptions=(found,))


def _choose_independent(x: Floats, y: Floats, *, binary: bool, scale: Scale) -> Choice:
    if binary:
        rate = float(np.concatenate([x, y]).mean())
        if min(rate, 1 - rate) * min(len(x), len(y)) < FEW_EXPECTED:
            reason = f"independent 0/1 scores with fewer than {FEW_EXPECTED:g} expected in a cell: exact"
            return Choice(test="fisher", reason=reason)
        return Choice(test="two_proportions", reason="independent 0/1 scores, enough of each")
    if scale == "ordered":
        reason = "independent scores of which only the order counts: ranks"
        return Choice(test="mann_whitney", reason=reason)
    checks = (shape(x, "first sample"), shape(y, "second sample"), similar_variances([x, y]))
    poor = [check.text for check in checks[:2] if not check.holds]
    if poor:
        reason = f"independent scores, but {'; '.join(poor)}; dealing the labels anew keeps Welch's question"
        return Choice(test="permutation", reason=reason, assumptions=checks)
    reason = "independent scores of about normal means; Welch needs no equal variances"
    return Choice(test="welch_t", reason=reason, assumptions=checks)


def compare_groups(
    groups: Sequence[Sequence[float]], *, paired: bool, scale: Scale = "measured", level: float = 0.95
) -> Answer:
    """Choose and run the test of three or more samples; ``paired`` ones are treatments of the same rows."""
    try:
        found = groups_of(groups)
    except UnfitError as unfit:
        return _none(unfit)
    values = [group.tolist() for group in found]
    if paired:
        what = "Cochran's Q, as the scores are 0/1" if all(_binary(group) for group in found) else "ranks"
        choice = Choice(test="friedman", reason=f"several systems on the same rows: {what} within each row")
        return Answer(choice=choice, result=group_tests.friedman(values))
    if all(_binary(group) for group in found):
        table = [[int(group.sum()), int((1 - group).sum())] for group in found]
        choice = Choice(test="chi_square", reason="independent groups of 0/1 scores: a table of counts")
        return Answer(choice=choice, result=table_tests.chi_square(table))
    checks = (
        *(shape(group, f"group {number}") for number, group in enumerate(found, 1)),
        similar_variances(found),
    )
    poor = [check.text for check in checks[:-1] if not check.holds]
    if scale == "ordered" or poor:
        why = "; ".join(poor) or "only the order of the scores counts"
        choice = Choice(test="kruskal_wallis", reason=f"independent groups, {why}: ranks", assumptions=checks)
        result = group_tests.kruskal_wallis(values)
        return Answer(
            choice=choice, result=result, effects=(explained_variance.rank_epsilon_squared(values),)
        )
    reason = "independent groups of about normal means; Welch needs no equal variances"
    choice = Choice(test="welch_anova", reason=reason, assumptions=checks)
    effects = (explained_variance.omega_squared(values, level=level),)
    return Answer(choice=choice, result=group_tests.welch_anova(values), effects=effects)


def _binary(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _none(unfit: UnfitError) -> Answer:
    result = TestResult(name="none", statistic=None, p_value=None, status=unfit.status, reason=unfit.reason)
    return Answer(choice=Choice(test="none", reason=f"no test: {unfit.reason}"), result=result)
