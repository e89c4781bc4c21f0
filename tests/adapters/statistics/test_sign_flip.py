from itertools import product

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics.pairs import stream
from crucible.adapters.statistics.sign_flip import SignFlip, sign_flip


def brute_force(values: list[float]) -> float:
    observed = abs(sum(values))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in product((-1, 1), repeat=len(values))
    ]
    return sum(total >= observed - 1e-12 for total in sums) / len(sums)


def run(values: list[float], iterations: int = 10_000, seed: int = 1) -> SignFlip:
    return sign_flip(np.array(values), iterations=iterations, rng=stream(seed, "test"))


@pytest.mark.parametrize(
    "values",
    [
        [0.31, -0.12, 0.45, 0.27, 0.05],
        [1.0, 1.0, -1.0, 1.0, 0.0, 1.0],
        [1.5, 2.0, -3.0, 4.5, 4.5, 6.0],
        [0.2],
    ],
)
def test_small_samples_are_exact(values: list[float]) -> None:
    result = run(values)
    assert result.exact
    assert result.p_value == pytest.approx(brute_force(values))


def test_five_pairs_all_better_cannot_be_significant_at_5_percent() -> None:
    assert run([0.11, 0.23, 0.37, 0.41, 0.53]).p_value == 0.0625


def test_no_difference_at_all_gives_p_1() -> None:
    assert run([0.0, 0.0, 0.0]).p_value == 1.0


def test_hundreds_of_binary_pairs_are_exact() -> None:
    result = run([1.0] * 300 + [-1.0] * 250)
    assert result.exact
    assert result.p_value == pytest.approx(stats.binomtest(250, 550).pvalue, rel=1e-9)


def test_monte_carlo_comes_close_to_the_exact_p_and_says_what_it_is() -> None:
    values = list(np.random.default_rng(3).normal(0.25, 1, 16))
    exact = run(values).p_value
    sampled = run([*values, *([1e-13] * 4)], iterations=20_000)
    assert not sampled.exact
    assert "Monte Carlo, 20000" in sampled.notes
    assert sampled.p_value == pytest.approx(exact, abs=0.015)


def test_monte_carlo_p_is_never_zero_and_repeats_with_its_seed() -> None:
    values = list(np.random.default_rng(4).normal(5, 0.1, 60))
    assert run(values, iterations=999).p_value == 1 / 1000
    noisy = list(np.random.default_rng(5).normal(0.1, 1, 60))
    assert run(noisy, seed=8).p_value == run(noisy, seed=8).p_value
