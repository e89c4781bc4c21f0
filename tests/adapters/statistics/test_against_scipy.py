"""Random samples: every figure equals SciPy's or statsmodels' to 1e-9 relative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics import (
    assumptions,
    group_tests,
    permutation,
    rank_tests,
    t_tests,
    table_tests,
)
from crucible.adapters.statistics.correction import adjust
from crucible.adapters.statistics.sign_flip import Alternative

SIDES: list[Alternative] = ["two-sided", "less", "greater"]
SIZES = [(2, 3), (5, 5), (12, 7), (40, 60)]


def near(value: Any) -> Any:
    return pytest.approx(float(value), rel=1e-9, abs=1e-300)


def sample(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    found: list[float] = (np.random.default_rng((seed, n)).normal(shift, 1.0 + shift, n)).tolist()
    return found


def rounded(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    return [round(value, 0) for value in sample(n, shift, seed)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("equal", [True, False])
def test_independent_t(n: int, m: int, side: Alternative, equal: bool) -> None:
    x, y = sample(n, 0.4), sample(m, seed=2)
    test = t_tests.student_t if equal else t_tests.welch_t
    found, expected = test(x, y, alternative=side), stats.ttest_ind(x, y, equal_var=equal, alternative=side)
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))
    whole = stats.ttest_ind(x, y, equal_var=equal).confidence_interval(0.95)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (near(whole.low), near(whole.high))
    assert found.df == (near(expected.df),)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("n", [2, 9, 300])
def test_paired_t(n: int, side: Alternative) -> None:
    x, y = sample(n, 0.1), sample(n, seed=2)
    found, expected = t_tests.paired_t(x, y, alternative=side), stats.ttest_rel(x, y, alternative=side)
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("n", "m"), [*SIZES, (30, 30)])
def test_mann_whitney_without_ties_is_exact(n: int, m: int, side: Alternative) -> None:
    x, y = sample(n, 0.3), sample(m, seed=2)
    found = rank_tests.mann_whitney(x, y, alternative=side)
    expected = stats.mannwhitneyu(x, y, alternative=side, method="exact")
    assert found.notes == "exact"
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("n", "m"), [(2, 3), (5, 5), (6, 4)])
def test_mann_whitney_with_ties_equals_all_permutations(n: int, m: int, side: Alternative) -> None:
    x, y = rounded(n, 0.5), rounded(m, seed=2)
    expected = stats.mannwhitneyu(x, y, alternative=side, method=stats.PermutationMethod(n_resamples=10**6))
    assert rank_tests.mann_whitney(x, y, alternative=side).p_value == near(expected.pvalue)


@pytest.mark.parametrize("side", SIDES)
def test_mann_whitney_of_large_samples_is_scipys_approximation(side: Alternative) -> None:
    x, y = rounded(400, 0.1), rounded(300, seed=2)
    found = rank_tests.mann_whitney(x, y, alternative=side)
    expected = stats.mannwhitneyu(x, y, alternative=side, method="asymptotic")
    assert found.notes.startswith("normal approximation")
    assert found.p_value == near(expected.pvalue)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("n", [3, 10, 45])
def test_wilcoxon_is_exact(n: int, side: Alternative) -> None:
    x, y = sample(n, 0.2), sample(n, seed=2)
    expected = stats.wilcoxon(x, y, alternative=side, method="exact")
    assert rank_tests.wilcoxon(x, y, alternative=side).p_value == near(expected.pvalue)


@pytest.mark.parametrize("side", SIDES)
def test_wilcoxon_with_ties_equals_all_sign_flips(side: Alternative) -> None:
    x, y = rounded(12, 0.5), [0.25] * 12
    d = np.subtract(x, y)
    expected = stats.wilcoxon(d, alternative=side, method=stats.PermutationMethod(n_resamples=10**6))
    assert rank_tests.wilcoxon(x, y, alternative=side).p_value == near(expected.pvalue)


@pytest.mark.parametrize("side", SIDES)
def test_wilcoxon_of_large_samples_is_scipys_approximation(side: Alternative) -> None:
    x, y = sample(800, 0.02), sample(800, seed=2)
    expected = stats.wilcoxon(x, y, alternative=side, method="approx", correction=False)
    assert rank_tests.wilcoxon(x, y, alternative=side).p_value == near(expected.pvalue)


def _mean_difference(x: Any, y: Any, axis: int) -> Any:
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def _absolute(x: Any, y: Any, axis: int) -> Any:
    return np.abs(_mean_difference(x, y, axis))


@pytest.mark.parametrize("side", SIDES)
def test_permutation_equals_scipy_over_all_deals(side: Alternative) -> None:
    x, y = sample(7, 0.5), sample(5, seed=2)
    statistic = _absolute if side == "two-sided" else _mean_difference
    expected = stats.permutation_test(
        (x, y),
        statistic,
        alternative="greater" if side == "two-sided" else side,
        vectorized=True,
        n_resamples=np.inf,
    )
    found = permutation.permutation(x, y, alternative=side)
    assert "exact over all 792 deals" in found.notes
    assert found.p_value == near(expected.pvalue)


def test_permutation_of_welchs_t_equals_scipy_over_all_deals() -> None:
    x, y = sample(6, 0.5), sample(5, seed=2)

    def welch(a: Any, b: Any, axis: int) -> Any:
        return np.abs(stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic)

    expected = stats.permutation_test(
        (x, y), welch, alternative="greater", vectorized=True, n_resamples=np.inf
    )
    assert permutation.permutation(x, y, studentised=True).p_value == near(expected.pvalue)


@pytest.mark.parametrize("side", SIDES)
def test_paired_permutation_equals_scipy_over_all_flips(side: Alternative) -> None:
    x, y = sample(10, 0.3), sample(10, seed=2)
    expected = stats.permutation_test(
        (x, y),
        _mean_difference,
        permutation_type="samples",
        alternative=side,
        vectorized=True,
        n_resamples=np.inf,
    )
    assert permutation.paired_permutation(x, y, alternative=side).p_value == near(expected.pvalue)


def test_random_deals_and_flips_come_near_the_exact_p_and_are_seeded() -> None:
    x, y = sample(30, 0.1), sample(30, seed=2)
    expected = stats.ttest_ind(x, y).pvalue
    found = permutation.permutation(x, y, iterations=20_000, seed=5)
    assert "Monte Carlo" in found.notes
    assert found.p_value == pytest.approx(expected, abs=0.015)
    assert found == permutation.permutation(x, y, iterations=20_000, seed=5)
    assert found != permutation.permutation(x, y, iterations=20_000, seed=6)
    less = permutation.paired_permutation(x, y, alternative="less", iterations=20_000).p_value
    assert less == pytest.approx(stats.ttest_rel(x, y, alternative="less").pvalue, abs=0.015)


GROUPS = [[5, 4, 6], [12, 9, 30], [3, 3, 3, 3]]


@pytest.mark.parametrize("sizes", GROUPS)
def test_groups(sizes: list[int]) -> None:
    groups = [sample(n, 0.3 * k, seed=k) for k, n in enumerate(sizes)]
    for ours, theirs in (
        (group_tests.anova(groups), stats.f_oneway(*groups)),
        (group_tests.kruskal_wallis(groups), stats.kruskal(*groups)),
        (assumptions.levene(groups), stats.levene(*groups, center="mean")),
        (assumptions.brown_forsythe(groups), stats.levene(*groups, center="median")),
    ):
        assert (ours.statistic, ours.p_value) == (near(theirs.statistic), near(theirs.pvalue))
    blocks = [sample(8, 0.2 * k, seed=k) for k in range(len(sizes))]
    expected = stats.friedmanchisquare(*blocks)
    assert group_tests.friedman(blocks).p_value == near(expected.pvalue)


def test_groups_of_equal_means_have_p_1_where_scipy_says_nan() -> None:
    x, y = [0.0] * 7 + [0.125, 0.0625], [0.0] * 5 + [0.125]  # SciPy's sum between is -1e-18
    found = group_tests.anova([x, y])
    assert found.p_value == pytest.approx(1.0, abs=1e-6)


def test_a_huge_f_has_a_tiny_p() -> None:
    groups = [[k + 0.01 * (i % 7) for i in range(40)] for k in range(3)]
    found = group_tests.anova(groups)
    assert found.statistic is not None
    assert found.p_value is not None
    assert found.statistic > 493
    assert found.p_value < 1e-57


def test_equal_groups_keep_their_own_ranks() -> None:
    groups = [[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [5.0, 6.0, 7.0]]
    assert group_tests.kruskal_wallis(groups).statistic == near(stats.kruskal(*groups).statistic)


def test_levene_knows_its_degrees_of_freedom() -> None:
    few, many = [sample(4), sample(4, 1.0, 2)], [sample(200), sample(200, 1.0, 2)]
    for groups in (few, many):
        found = assumptions.brown_forsythe(groups)
        assert found.statistic is not None
        assert found.p_value == near(stats.f.sf(found.statistic, *found.df))


def test_shapiro_wilk_sees_an_exponential_sample() -> None:
    values = np.random.default_rng(3).exponential(1.0, 100).tolist()
    found, expected = assumptions.shapiro_wilk(values), stats.shapiro(values)
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))
    assert found.statistic is not None
    assert found.p_value is not None
    assert found.statistic < 1
    assert found.p_value < 1e-6


@pytest.mark.parametrize("side", SIDES)
def test_tables(side: Alternative) -> None:
    table = [[8, 2], [1, 9]]
    assert table_tests.fisher(table, alternative=side).p_value == near(
        stats.fisher_exact(table, alternative=side).pvalue
    )
    assert table_tests.mcnemar(8, 3, alternative=side).p_value == near(
        stats.binomtest(8, 11, alternative=side).pvalue
    )
    for yates in (True, False):
        assert table_tests.chi_square(table, yates=yates).p_value == near(
            stats.chi2_contingency(table, correction=yates).pvalue
        )


def test_corrections_equal_scipys() -> None:
    p_values = np.random.default_rng(2).uniform(0, 0.2, 40).tolist()
    for ours, theirs in (("benjamini_hochberg", "bh"), ("benjamini_yekutieli", "by")):
        expected = stats.false_discovery_control(p_values, method=theirs)
        assert adjust(p_values, ours) == pytest.approx(expected.tolist(), rel=1e-9)


def test_random_deals_and_flips_never_claim_p_0() -> None:
    low, high = [float(i) for i in range(40)], [float(i) + 100 for i in range(40)]
    assert permutation.permutation(low, high, iterations=500).p_value == near(1 / 501)
    assert permutation.paired_permutation(sample(40), [v + 9 for v in sample(40, seed=2)]).p_value == near(
        1 / 10_001
    )


def test_wilcoxon_says_how_many_pairs_it_dropped() -> None:
    assert "2 pairs without difference dropped" in rank_tests.wilcoxon([1, 2, 3, 4], [1, 2, 5, 7]).notes
    assert "dropped" not in rank_tests.wilcoxon([1, 2], [3, 5]).notes
