import math

import numpy as np
import pytest

from crucible.adapters.statistics.sequential import BettingTest, confidence_sequence, sequential_test

VALUES = [1.0, 0.0, 1.0, 1.0, -1.0, 0.5, 1.0, 1.0, 0.0, 1.0]


def capital(xs: list[float], m: float, alpha: float) -> float:
    """The mean capital of both gamblers by the printed formulas, values and mean in [0, 1]."""
    up = down = 1.0
    for t, x in enumerate(xs, 1):
        before = xs[: t - 1]
        means = [(0.5 + sum(before[:i])) / (i + 1) for i in range(1, t)]
        variance = (0.25 + sum((v - mu) ** 2 for v, mu in zip(before, means, strict=True))) / t
        stake = math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(t + 1)))
        up *= 1 + min(stake, 0.5 / m) * (x - m)
        down *= 1 - min(stake, 0.5 / (1 - m)) * (x - m)
    return (up + down) / 2


@pytest.mark.parametrize("n", range(1, len(VALUES) + 1))
def test_the_evidence_is_that_of_the_printed_formulas(n: int) -> None:
    expected = capital([(v + 1) / 2 for v in VALUES[:n]], 0.5, 0.05)
    assert sequential_test(VALUES[:n]).statistic == pytest.approx(math.log(expected), rel=1e-9)


def test_p_is_one_over_the_largest_evidence_so_far() -> None:
    test, largest = BettingTest(), 1.0
    for n, value in enumerate(VALUES, 1):
        largest = max(largest, capital([(v + 1) / 2 for v in VALUES[:n]], 0.5, 0.05))
        assert test.update(value) == pytest.approx(1 / largest, rel=1e-9)
    assert test.n == len(VALUES)


@pytest.mark.parametrize("mean", [0.0, 0.3, 0.5])
def test_the_confidence_sequence_leaves_out_what_the_test_rejects(mean: float) -> None:
    values = np.random.default_rng(2).uniform(-0.2, 1.0, 120).tolist()
    interval = confidence_sequence(values).interval
    assert interval is not None
    rejected = sequential_test(values, mean=mean).significant
    assert rejected == (not interval.low <= mean <= interval.high)


def test_the_result_says_when_it_could_have_stopped() -> None:
    found = sequential_test([0.8] * 60)
    test = BettingTest()
    stopped = next(n for n in range(1, 61) if test.update(0.8) <= 0.05)
    assert f"could have stopped after {stopped}" in found.notes
    assert "could have stopped" not in sequential_test([0.1, -0.1] * 20).notes


def test_a_value_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the range"):
        BettingTest().update(1.5)
    with pytest.raises(ValueError, match="not inside"):
        BettingTest(mean=1.0)
