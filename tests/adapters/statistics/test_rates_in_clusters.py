"""Rates of 0/1 scores that share clusters, and differences of paired ones."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from crucible.adapters.statistics.intervals import estimate_mean
from crucible.adapters.statistics.pairs import pair_up
from crucible.adapters.statistics.rates import clustered_wilson, newcombe_paired, paired_rates

RNG = np.random.default_rng(12)
CODES = RNG.integers(0, 12, 60).tolist()
FIRST = (RNG.random(60) < 0.8).astype(float).tolist()
SECOND = [v if keep else 1 - v for v, keep in zip(FIRST, RNG.random(60) < 0.8, strict=True)]


def cr1(values: list[float]) -> float:
    groups = {"groups": np.array(CODES)}
    fit = sm.OLS(np.array(values), np.ones(60)).fit(cov_type="cluster", cov_kwds=groups)
    return float(fit.bse[0])


@pytest.mark.parametrize("values", [FIRST, SECOND])
def test_a_clustered_rate_is_wilsons_of_statsmodels_at_the_effective_size(values: list[float]) -> None:
    rate = float(np.mean(values))
    size = min(60.0, rate * (1 - rate) / cr1(values) ** 2)
    alpha = 2 * stats.norm.sf(stats.t.ppf(0.975, 11))  # the level at which the normal quantile is that of t
    low, high = proportion_confint(rate * size, size, alpha, method="wilson")
    interval = clustered_wilson(estimate_mean(values, CODES), 0.95)
    assert interval is not None
    assert [interval.low, interval.high] == pytest.approx([low, high], rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_clusters_that_all_agree_count_as_one_row_each(value: float) -> None:
    interval = clustered_wilson(estimate_mean([value] * 24, [row // 4 for row in range(24)]), 0.95)
    assert interval is not None
    assert interval.method == "Wilson, effective n 6, 6 clusters, t(5)"
    assert value in (interval.low, interval.high)


def test_one_cluster_tells_nothing_of_a_rate() -> None:
    assert clustered_wilson(estimate_mean([1.0, 0.0, 1.0], [3, 3, 3]), 0.95) is None
    assert paired_rates(pair_up([1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [3, 3, 3]), 0.95) is None


def test_paired_rates_without_clusters_are_newcombes() -> None:
    both, gained, lost, neither = 20, 7, 3, 10
    first = [1.0] * (both + gained) + [0.0] * (lost + neither)
    second = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    expected = newcombe_paired(both, gained, lost, neither, 0.95)
    assert paired_rates(pair_up(first, second, None), 0.95) == expected


def test_paired_rates_in_clusters_follow_movers_formula() -> None:
    x, y = np.array(FIRST), np.array(SECOND)
    sums = [np.bincount(CODES, weights=column - column.mean()) for column in (x, y)]
    r = float(sums[0] @ sums[1]) / float(np.linalg.norm(sums[0]) * np.linalg.norm(sums[1]))
    a = clustered_wilson(estimate_mean(FIRST, CODES), 0.95)
    b = clustered_wilson(estimate_mean(SECOND, CODES), 0.95)
    found = paired_rates(pair_up(FIRST, SECOND, CODES), 0.95)
    assert a is not None
    assert b is not None
    assert found is not None
    p, q = x.mean(), y.mean()
    down = (p - a.low) ** 2 - 2 * r * (p - a.low) * (b.high - q) + (b.high - q) ** 2
    up = (a.high - p) ** 2 - 2 * r * (a.high - p) * (q - b.low) + (q - b.low) ** 2
    assert found.low == pytest.approx(p - q - down**0.5, rel=1e-9)
    assert found.high == pytest.approx(p - q + up**0.5, rel=1e-9)


def test_swapping_the_systems_mirrors_the_interval() -> None:
    there = paired_rates(pair_up(FIRST, SECOND, CODES), 0.95)
    back = paired_rates(pair_up(SECOND, FIRST, CODES), 0.95)
    assert there is not None
    assert back is not None
    assert [there.low, there.high] == pytest.approx([-back.high, -back.low])
