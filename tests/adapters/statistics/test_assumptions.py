import re

import numpy as np
import pytest
from scipy import stats

from crucible.adapters.statistics.assumptions import shape, shapiro_wilk, similar_variances


@pytest.mark.parametrize("seed", range(3))
def test_skewness_and_kurtosis_are_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).gamma(2, 1, 40)
    found = re.search(r"skewness (\S+), excess kurtosis (\S+),", shape(values, "scores").text)
    assert found is not None
    assert float(found[1]) == pytest.approx(stats.skew(values, bias=False), rel=0.05)
    assert float(found[2]) == pytest.approx(stats.kurtosis(values, bias=False), rel=0.05)


@pytest.mark.parametrize(
    ("values", "holds", "why"),
    [
        ([0.0] * 54 + [0.5] * 6, False, "too skewed"),  # skewness 2.7, kurtosis 5.7
        ([-9.0, 9.0] + [0.1, -0.1] * 20, False, "heavy-tailed"),  # symmetric, kurtosis 20
        ([0.1 * (i % 9) for i in range(30)], True, "near enough"),
        ([0.1, 0.2, 0.3], None, "too few to judge"),
        ([0.4] * 20, False, "all values are equal"),
    ],
)
def test_a_shape_is_judged_by_skew_and_tails(values: list[float], holds: bool | None, why: str) -> None:
    found = shape(np.array(values), "scores")
    assert found.holds is holds
    assert why in found.text


def test_thirty_exponential_values_are_seldom_taken_for_normal() -> None:
    rng = np.random.default_rng(1)
    p_values = [shapiro_wilk(rng.exponential(1, 30).tolist()).p_value or 0.0 for _ in range(100)]
    assert sum(p >= 0.05 for p in p_values) < 15


def test_variances_that_cannot_be_compared_are_left_open() -> None:
    assert similar_variances([np.array([1.0, 1.0]), np.array([2.0, 2.0])]).holds is None
