"""A second, independent opinion. R's constants in ``test_published_values`` hold the same figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics import (
    agreement,
    equivalence,
    group_tests,
    odds,
    power,
    table_tests,
)


def near(value: Any) -> Any:
    return pytest.approx(float(value), rel=1e-9, abs=1e-300)


def sample(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    found: list[float] = (np.random.default_rng((seed, n)).normal(shift, 1.0 + shift, n)).tolist()
    return found


pytest.importorskip("statsmodels", reason="statsmodels is not installed; R's constants hold the same")


def test_statsmodels_agrees_on_welch_anova_and_equivalence() -> None:
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
