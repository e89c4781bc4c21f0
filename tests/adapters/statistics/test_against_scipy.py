"""Random samples: every figure equals SciPy's or statsmodels' to 1e-9 relative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics import (
    agreement,
    assumptions,
    bootstrap,
    effect_sizes,
    equivalence,
    explained_variance,
    group_tests,
    odds,
    permutation,
    power,
    rank_tests,
    resampling,
    t_tests,
    table_tests,
)
from crucible.adapters.statistics.correction import adjust
from crucible.adapters.statistics.dominance import cliffs_delta, matched_rank_biserial
from crucible.adapters.statistics.rates import newcombe_paired
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


def test_bca_limits_are_scipys_on_scipys_resamples() -> None:
    values = np.random.default_rng(4).exponential(1.0, 40)
    for statistic in (resampling.mean, resampling.median):
        theirs = stats.bootstrap(
            (values,),
            lambda x, axis, s=statistic: s(x),  # noqa: ARG005 - SciPy names the axis
            n_resamples=999,
            method="BCa",
            rng=np.random.default_rng(1),
        )
        left = np.stack([np.delete(values, i) for i in range(40)])
        speed = resampling.acceleration([statistic(left)])
        ours, _ = bootstrap.bca_interval(theirs.bootstrap_distribution, float(statistic(values)), speed, 0.95)
        assert ours.low == near(theirs.confidence_interval.low)
        assert ours.high == near(theirs.confidence_interval.high)


def test_the_bootstrap_of_a_difference_agrees_with_scipys() -> None:
    x, y = np.random.default_rng(4).exponential(1.0, 50), np.random.default_rng(5).exponential(0.5, 30)
    ours = resampling.bootstrap_difference(x.tolist(), y.tolist(), iterations=20_000).interval
    theirs = stats.bootstrap(
        (x, y), _mean_difference, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours is not None
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_effects_follow_their_definitions() -> None:
    x, y = sample(9, 0.5), sample(14, seed=2)
    pooled = math.sqrt((8 * np.var(x, ddof=1) + 13 * np.var(y, ddof=1)) / 21)
    lead = np.mean(x) - np.mean(y)
    assert effect_sizes.cohens_d(x, y).value == near(lead / pooled)
    assert effect_sizes.glass_delta(x, y).value == near(lead / np.std(y, ddof=1))
    signs = np.sign(np.subtract.outer(x, y))
    assert cliffs_delta(x, y).value == near(signs.mean())
    u = rank_tests.mann_whitney(x, y).statistic
    assert u is not None
    assert cliffs_delta(x, y).value == near(2 * u / (9 * 14) - 1)
    d = np.subtract(x, y[:9])
    ranks = stats.rankdata(np.abs(d))
    expected = (ranks[d > 0].sum() - ranks[d < 0].sum()) / ranks.sum()
    assert matched_rank_biserial(x, y[:9]).value == near(expected)


def test_the_variance_of_cliffs_delta_is_the_one_over_all_pairs() -> None:
    x, y = rounded(9, 0.5), rounded(14, seed=2)
    signs = np.sign(np.subtract.outer(x, y))
    n, m = signs.shape
    d, rows, cells = signs.mean(), signs.mean(axis=1), signs.mean(axis=0)
    variance = (
        m**2 * ((rows - d) ** 2).sum() + n**2 * ((cells - d) ** 2).sum() - ((signs - d) ** 2).sum()
    ) / (n * m * (n - 1) * (m - 1))
    t = stats.t.ppf(0.975, n + m - 2)
    half = t * math.sqrt(variance * ((1 - d**2) ** 2 + t**2 * variance))
    interval = cliffs_delta(x, y).interval
    assert interval is not None
    assert interval.low == near((d - d**3 - half) / (1 - d**2 + t**2 * variance))
    assert interval.high == near((d - d**3 + half) / (1 - d**2 + t**2 * variance))


def test_the_jackknife_of_the_matched_r_is_the_one_by_leaving_out() -> None:
    d = np.array(sample(12, 0.4))

    def mean_sign(values: Any) -> float:
        upper = np.triu_indices(len(values), 1)
        return float(np.sign(np.add.outer(values, values))[upper].mean())

    left = np.array([mean_sign(np.delete(d, i)) for i in range(12)])
    variance = 11 / 12 * ((left - left.mean()) ** 2).sum()
    found = matched_rank_biserial(d.tolist(), [0.0] * 12)
    assert found.value is not None
    assert found.interval is not None
    r, t = found.value, stats.t.ppf(0.975, 11)
    half = t * math.sqrt(variance * ((1 - r**2) ** 2 + t**2 * variance))
    assert found.interval.low == near((r - r**3 - half) / (1 - r**2 + t**2 * variance))


def test_limits_of_eta_squared_invert_the_noncentral_f() -> None:
    groups = [sample(20, 0.4 * k, seed=k) for k in range(3)]
    f = stats.f_oneway(*groups).statistic
    interval = explained_variance.eta_squared(groups).interval
    assert interval is not None
    for limit, tail in ((interval.low, 0.975), (interval.high, 0.025)):
        nc = limit / (1 - limit) * 60
        assert stats.ncf.cdf(f, 2, 57, nc) == pytest.approx(tail, abs=1e-9)


def test_odds_ratios() -> None:
    table = [[12, 5], [7, 20]]
    found = odds.odds_ratio(table)
    log, error = math.log(12 * 20 / 35), math.sqrt(1 / 12 + 1 / 5 + 1 / 7 + 1 / 20)
    assert found.value == near(12 * 20 / 35)
    assert found.interval is not None
    assert found.interval.low == near(math.exp(log - stats.norm.ppf(0.975) * error))
    pairs = odds.matched_odds_ratio(9, 4)
    exact = stats.binomtest(9, 13).proportion_ci(method="exact")
    assert pairs.interval is not None
    assert pairs.interval.low == pytest.approx(exact.low / (1 - exact.low), rel=1e-6)
    assert pairs.interval.high == pytest.approx(exact.high / (1 - exact.high), rel=1e-6)


@pytest.mark.parametrize("n", [5, 30, 200])
@pytest.mark.parametrize("effect", [0.0, 0.2, 1.0])
def test_power_of_t_is_the_tail_of_the_noncentral_t(n: int, effect: float) -> None:
    nc, df = effect * math.sqrt(n), n - 1
    critical = stats.t.ppf(0.975, df)
    expected = stats.nct.sf(critical, df, nc) + stats.nct.cdf(-critical, df, nc)
    found = power.power_analysis(power.Design(kind="paired_t"), effect=effect, n=n).power
    assert found == pytest.approx(expected, rel=1e-9)
    assert effect > 0 or found == pytest.approx(0.05, rel=1e-9)


def test_corrections_equal_scipys() -> None:
    p_values = np.random.default_rng(2).uniform(0, 0.2, 40).tolist()
    for ours, theirs in (("benjamini_hochberg", "bh"), ("benjamini_yekutieli", "by")):
        expected = stats.false_discovery_control(p_values, method=theirs)
        assert adjust(p_values, ours) == pytest.approx(expected.tolist(), rel=1e-9)


# statsmodels is a second, independent opinion; the same figures are held as R's constants as well.


def test_statsmodels_agrees_on_welch_anova_and_equivalence() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed; R's constants hold the same")
    from statsmodels.stats.oneway import anova_oneway
    from statsmodels.stats.weightstats import ttost_ind, ttost_paired

    groups = [sample(n, 0.3 * k, seed=k) for k, n in enumerate((8, 12, 20))]
    expected = anova_oneway(groups, use_var="unequal", welch_correction=True)
    found = group_tests.welch_anova(groups)
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))
    x, y = np.array(sample(20)), np.array(sample(20, 0.1, 2))
    for equal, usevar in ((True, "pooled"), (False, "unequal")):
        p_value = ttost_ind(x, y, -0.8, 0.8, usevar=usevar)[0]
        ours = equivalence.equivalence(x.tolist(), y.tolist(), margin=0.8, equal_variances=equal)
        assert ours.p_value == near(p_value)
    p_value = ttost_paired(x, y, -0.8, 0.8)[0]
    assert equivalence.paired_equivalence(x.tolist(), y.tolist(), margin=0.8).p_value == near(p_value)


def test_statsmodels_agrees_on_rates_and_pairs() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed; R's constants hold the same")
    from statsmodels.stats.contingency_tables import Table2x2, mcnemar
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    found = table_tests.two_proportions((30, 45), (80, 90))
    z, p_value = proportions_ztest([30, 45], [80, 90])
    assert (found.statistic, found.p_value) == (near(z), near(p_value))
    low, high = confint_proportions_2indep(30, 80, 45, 90, method="newcomb")
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (near(low), near(high))
    expected = mcnemar([[10, 8], [3, 20]], exact=True).pvalue
    assert table_tests.mcnemar(8, 3).p_value == near(expected)
    low, high = Table2x2(np.array([[12, 5], [7, 20]])).oddsratio_confint()
    interval = odds.odds_ratio([[12, 5], [7, 20]]).interval
    assert interval is not None
    assert (interval.low, interval.high) == (near(low), near(high))


def test_statsmodels_agrees_on_power() -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed; R's constants hold the same")
    from statsmodels.stats.power import FTestAnovaPower, TTestIndPower, TTestPower

    design = power.Design
    two = power.power_analysis(design(kind="two_sample_t", ratio=1.5), effect=0.4, n=30).power
    assert two == pytest.approx(TTestIndPower().power(0.4, 30, 0.05, ratio=1.5), rel=1e-9)
    one = power.power_analysis(design(kind="paired_t"), effect=0.4, n=30).power
    assert one == pytest.approx(TTestPower().power(0.4, 30, 0.05), rel=1e-9)
    anova = power.power_analysis(design(kind="anova", groups=4), effect=0.3, n=25).power
    assert anova == pytest.approx(FTestAnovaPower().power(0.3, 100, 0.05, k_groups=4), rel=1e-9)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_statsmodels_agrees_on_kappa(weights: Any) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed; R's constants hold the same")
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(8)
    first = rng.integers(0, 4, 200)
    second = np.where(rng.random(200) < 0.6, first, rng.integers(0, 4, 200))
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    expected = cohens_kappa(table, wt=None if weights == "none" else weights)
    found = agreement.cohens_kappa(first.tolist(), second.tolist(), weights=weights)
    assert found.value == near(expected.kappa)
    assert found.interval is not None
    half = stats.norm.ppf(0.975) * expected.std_kappa
    assert found.interval.high - found.interval.low == near(2 * half)


def test_random_deals_and_flips_never_claim_p_0() -> None:
    low, high = [float(i) for i in range(40)], [float(i) + 100 for i in range(40)]
    assert permutation.permutation(low, high, iterations=500).p_value == near(1 / 501)
    assert permutation.paired_permutation(sample(40), [v + 9 for v in sample(40, seed=2)]).p_value == near(
        1 / 10_001
    )


def test_wilcoxon_says_how_many_pairs_it_dropped() -> None:
    assert "2 pairs without difference dropped" in rank_tests.wilcoxon([1, 2, 3, 4], [1, 2, 5, 7]).notes
    assert "dropped" not in rank_tests.wilcoxon([1, 2], [3, 5]).notes


@pytest.mark.parametrize("cells", [(20, 12, 2, 16), (30, 6, 9, 25), (5, 30, 20, 4), (10, 0, 0, 5)])
def test_newcombes_interval_of_pairs_follows_its_formula(cells: tuple[int, int, int, int]) -> None:
    e, f, g, h = cells
    n = sum(cells)
    first = stats.binomtest(e + f, n).proportion_ci(method="wilson")
    second = stats.binomtest(e + g, n).proportion_ci(method="wilson")
    p, q = (e + f) / n, (e + g) / n
    numerator = e * h - f * g
    phi = (max(numerator - n / 2, 0) if numerator > 0 else numerator) / math.sqrt(
        (e + f) * (g + h) * (e + g) * (f + h)
    )
    down, up = p - first.low, first.high - p
    left, right = q - second.low, second.high - q
    found = newcombe_paired(*cells, 0.95)
    assert found.low == near(p - q - math.sqrt(down**2 - 2 * phi * down * right + right**2))
    assert found.high == near(p - q + math.sqrt(up**2 - 2 * phi * up * left + left**2))
