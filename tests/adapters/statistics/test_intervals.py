import math
import random

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from crucible.adapters.statistics.intervals import (
    cut_to_unit,
    estimate_mean,
    mean_interval,
    student_interval,
    wilson_interval,
)
from crucible.adapters.statistics.student import t_quantile
from crucible.messages.findings import Interval


def test_wilson_matches_the_printed_example_of_newcombe_1998() -> None:
    interval = wilson_interval(81, 263, 0.95)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (1, 1), (7, 50)])
def test_wilson_equals_scipy(successes: int, n: int) -> None:
    interval = wilson_interval(successes, n, 0.95)
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert interval.low == pytest.approx(expected.low, abs=1e-12)
    assert interval.high == pytest.approx(expected.high, abs=1e-12)


def test_t_quantiles_are_the_printed_ones_and_never_mirrored() -> None:
    assert t_quantile(0.975, 10) == pytest.approx(2.2281, abs=5e-5)
    assert t_quantile(0.995, 10) == pytest.approx(3.1693, abs=5e-5)
    assert t_quantile(0.975, 1) == pytest.approx(12.7062, abs=5e-5)
    assert t_quantile(0.975, 1e6) == pytest.approx(1.959966, abs=5e-6)


@pytest.mark.parametrize("n", [3, 31, 32, 200])
def test_the_t_interval_equals_scipy_and_contains_the_mean(n: int) -> None:
    draw = random.Random(n)
    values = [draw.gauss(0.4, 0.2) for _ in range(n)]
    interval = student_interval(estimate_mean(values, None), 0.95)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval is not None
    assert interval.low < sum(values) / n < interval.high
    assert interval.low == pytest.approx(expected.low, rel=1e-10)
    assert interval.high == pytest.approx(expected.high, rel=1e-10)


def test_cr1_follows_its_formula_on_a_worked_example() -> None:
    # Two clusters of two: mean 2.5, residual sums -2 and 2, V = 2/1 * (4 + 4) / 16 = 1.
    estimate = estimate_mean([1.0, 2.0, 3.0, 4.0], [7, 7, 9, 9])
    assert estimate.error == pytest.approx(1.0)
    assert (estimate.df, estimate.clusters) == (1, 2)


def test_clusters_of_one_are_no_clusters() -> None:
    values = [0.1, 0.5, 0.4, 0.9]
    assert estimate_mean(values, [0, 1, 2, 3]) == estimate_mean(values, None)


@pytest.mark.parametrize(
    ("values", "clusters", "reason"),
    [
        ([0.3], None, "one value"),
        ([0.1] * 10, None, "all 10 values are equal"),
        ([0.1, 0.2, 0.3], [1, 1, 1], "one cluster"),
        ([0.1, 0.2, 0.2, 0.1], [1, 1, 2, 2], "agree exactly"),
    ],
)
def test_data_without_spread_give_a_reason_instead_of_an_interval(
    values: list[float], clusters: list[int] | None, reason: str
) -> None:
    estimate = estimate_mean(values, clusters)
    assert reason in (estimate.reason or "")
    assert student_interval(estimate, 0.95) is None


def _coverage(clusters: list[int] | None, trials: int = 300) -> float:
    """Share of 95 % intervals that hold the true mean 0: 10 clusters of 20, intra-class correlation .2."""
    draw, hits = random.Random(11), 0
    for _ in range(trials):
        shared = [draw.gauss(0, math.sqrt(0.2)) for _ in range(10)]
        values = [shared[i // 20] + draw.gauss(0, math.sqrt(0.8)) for i in range(200)]
        interval = student_interval(estimate_mean(values, clusters), 0.95)
        assert interval is not None
        hits += interval.low <= 0 <= interval.high
    return hits / trials


def test_clustered_intervals_cover_where_naive_ones_do_not() -> None:
    assert _coverage([i // 20 for i in range(200)]) > 0.91
    assert _coverage(None) < 0.75


def test_the_interval_of_a_bounded_mean_stays_in_its_range_and_says_so() -> None:
    whole = Interval(low=-0.4, high=1.3, level=0.95, method="t(4)")
    assert cut_to_unit(whole) == Interval(low=0.0, high=1.0, level=0.95, method="t(4), cut to [0, 1]")


def test_an_interval_inside_the_range_is_left_alone() -> None:
    inside = Interval(low=0.4, high=0.9, level=0.95, method="t(4)")
    assert cut_to_unit(inside) is inside


SKEWED = [0.0] * 17 + [0.2, 0.5, 0.9]


def test_skewed_means_get_the_limits_that_halls_cubic_maps_to_t() -> None:
    estimate = estimate_mean(SKEWED, None)
    skewness, n = float(stats.skew(SKEWED)), len(SKEWED)
    assert estimate.skewness == pytest.approx(skewness, rel=1e-12)
    interval = mean_interval(estimate, 0.95)
    assert interval is not None
    assert estimate.error is not None
    for limit, quantile in ((interval.low, 0.975), (interval.high, 0.025)):
        t = (estimate.mean - limit) / estimate.error
        cubic = t + skewness / n**0.5 * (t * t / 3 + 1 / 6) + skewness**2 * t**3 / (27 * n)
        assert cubic == pytest.approx(stats.t.ppf(quantile, n - 1), rel=1e-9)


def test_the_correction_reaches_further_to_the_long_tail_and_turns_with_it() -> None:
    plain, right = (
        student_interval(estimate_mean(SKEWED, None), 0.95),
        mean_interval(estimate_mean(SKEWED, None), 0.95),
    )
    left = mean_interval(estimate_mean([-value for value in SKEWED], None), 0.95)
    assert plain is not None
    assert right is not None
    assert left is not None
    assert right.low > plain.low
    assert right.high > plain.high
    assert [left.low, left.high] == pytest.approx([-right.high, -right.low])


@pytest.mark.parametrize("values", [[0.1, 0.3, 0.4, 0.5, 0.7, 0.2, 0.6, 0.4, 0.4], [0.0, 0.0, 0.0, 0.9, 0.0]])
def test_even_scores_and_samples_too_small_to_judge_keep_students_interval(values: list[float]) -> None:
    estimate = estimate_mean(values, None)
    assert mean_interval(estimate, 0.95) == student_interval(estimate, 0.95)


def test_the_skewness_of_clustered_scores_is_that_of_the_sums_of_their_clusters() -> None:
    values = [value for value in SKEWED for _ in range(2)]
    estimate = estimate_mean(values, [row // 2 for row in range(len(values))])
    assert estimate.skewness == pytest.approx(float(stats.skew(SKEWED)), rel=1e-12)
    interval = mean_interval(estimate, 0.95)
    assert interval is not None
    assert interval.method == "CR1 over 20 clusters, t(19), skewness corrected"


def test_the_correction_of_scores_in_the_unit_interval_stays_within_wilsons() -> None:
    estimate = estimate_mean([0.0] * 13 + [0.5, 0.5], None)
    free, held = mean_interval(estimate, 0.95), mean_interval(estimate, 0.95, unit=True)
    alpha = 2 * stats.norm.sf(stats.t.ppf(0.975, 14))
    low, high = proportion_confint(1.0, 15, alpha, method="wilson")
    assert free is not None
    assert held is not None
    assert free.high > high
    assert [held.low, held.high] == pytest.approx([max(free.low, low), high], rel=1e-9)
