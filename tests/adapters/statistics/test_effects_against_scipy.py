"""Effects, their intervals, resampling and power: equal to SciPy or to the plain definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics import (
    bootstrap,
    effect_sizes,
    explained_variance,
    odds,
    power,
    rank_tests,
    resampling,
)
from crucible.adapters.statistics.dominance import cliffs_delta, matched_rank_biserial
from crucible.adapters.statistics.rates import newcombe_paired


def near(value: Any) -> Any:
    return pytest.approx(float(value), rel=1e-9, abs=1e-300)


def sample(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    found: list[float] = (np.random.default_rng((seed, n)).normal(shift, 1.0 + shift, n)).tolist()
    return found


def rounded(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    return [round(value, 0) for value in sample(n, shift, seed)]


def _mean_difference(x: Any, y: Any, axis: int) -> Any:
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


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
