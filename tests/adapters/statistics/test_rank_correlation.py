from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics.rank_correlation import SHUFFLES, correlate

KINDS: tuple[Literal["pearson", "spearman"], ...] = ("pearson", "spearman")


def columns(seed: int, size: int, *, ties: bool = False) -> tuple[list[float], list[float]]:
    random = np.random.default_rng(seed)
    left = random.normal(size=size)
    right = left + random.normal(size=size)
    return (np.round(left).tolist(), np.round(right).tolist()) if ties else (left.tolist(), right.tolist())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", [5, 8, 30, 500])
def test_coefficients_equal_those_of_scipy(size: int, ties: bool) -> None:
    left, right = columns(1, size, ties=ties)
    assert correlate(left, right, "pearson").value == pytest.approx(stats.pearsonr(left, right)[0], rel=1e-9)
    assert correlate(left, right, "spearman").value == pytest.approx(
        stats.spearmanr(left, right)[0], rel=1e-9
    )


@pytest.mark.parametrize("ties", [False, True])
def test_small_p_values_equal_scipys_over_all_orders(ties: bool) -> None:
    left, right = columns(2, 6, ties=ties)
    for kind, statistic in zip(KINDS, (stats.pearsonr, stats.spearmanr), strict=True):
        oracle = stats.permutation_test(
            (right,),
            lambda order, statistic=statistic: statistic(left, order)[0],
            permutation_type="pairings",
            n_resamples=np.inf,
        )
        found = correlate(left, right, kind)
        assert found.method == "exact"
        as_far = np.abs(oracle.null_distribution) >= abs(oracle.statistic) - 1e-12
        assert found.p_value == pytest.approx(float(as_far.mean()), rel=1e-9)


def test_the_exact_p_value_of_a_perfect_order_is_two_orders_of_all() -> None:
    found = correlate([1, 2, 3, 4, 5], [10, 20, 30, 40, 50], "spearman")
    assert found.value == 1.0
    assert found.p_value == pytest.approx(2 / math.factorial(5))


def test_large_p_values_equal_scipys() -> None:
    left, right = columns(3, 400)
    left = np.random.default_rng(9).permutation(left).tolist()
    for kind, oracle in zip(KINDS, (stats.pearsonr, stats.spearmanr), strict=True):
        found = correlate(left, right, kind)
        assert found.method == "t"
        assert found.p_value == pytest.approx(oracle(left, right)[1], rel=1e-9)


def test_shuffled_p_values_are_near_the_normal_theory_seeded_and_never_zero() -> None:
    left, right = columns(4, 60)
    right = np.random.default_rng(5).permutation(right).tolist()
    found = correlate(left, right, "pearson", seed=1)
    assert found.method == "permutation"
    assert found == correlate(left, right, "pearson", seed=1)
    assert found != correlate(left, right, "pearson", seed=2)
    assert found.p_value == pytest.approx(stats.pearsonr(left, right)[1], abs=0.02)
    assert correlate(left, left, "pearson").p_value == 1 / (SHUFFLES + 1)


def test_no_p_value_is_zero_for_pairs_on_a_line() -> None:
    line = [float(n) for n in range(300)]
    found = correlate(line, line[::-1], "spearman")
    assert (found.value, found.method, found.p_value) == (-1.0, "permutation", 1 / (SHUFFLES + 1))


def test_p_values_of_unrelated_columns_are_below_five_percent_about_that_often() -> None:
    random = np.random.default_rng(0)
    small = 0
    for _ in range(200):
        left, right = random.integers(0, 3, (2, 7)).tolist()
        p_value = correlate(left, right, "pearson").p_value
        small += p_value is not None and p_value <= 0.05
    assert small <= 200 * 0.05 + 3 * math.sqrt(200 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("left", "right", "status"),
    [
        ([], [], "too_few_pairs"),
        ([1.0, 2.0], [1.0, 2.0], "too_few_pairs"),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], "constant"),
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], "constant"),
        ([1.0, 2.0, math.nan], [1.0, 2.0, 3.0], "not_finite"),
    ],
)
def test_columns_without_a_correlation_have_a_status_and_no_figure(
    left: list[float], right: list[float], status: str
) -> None:
    for kind in KINDS:
        assert correlate(left, right, kind) == (status, None, None, "")
