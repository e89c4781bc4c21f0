"""The censored latency estimate."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.hedging.latency import LatencyWindow, kaplan_meier


def test_the_curve_is_that_of_a_case_worked_by_hand() -> None:
    # 6 at risk: an answer at 1 (5/6), censored at 2, answers at 3 (5/6 x 3/4), 4 (x 2/3), censored at 5, 6
    curve = kaplan_meier([(3, False), (1, False), (2, True), (4, False), (5, True), (6, True)])
    assert curve.times.tolist() == [1, 3, 4, 6]
    assert curve.survival == pytest.approx([5 / 6, 5 / 8, 5 / 12, 0.0])
    assert curve.longer_than(0.5) == 1.0
    assert curve.longer_than(3.5) == pytest.approx(5 / 8)
    assert curve.quantile(0.3) == 3
    assert curve.quantile(0.9) == 6


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 0.99))
def test_without_censoring_a_quantile_is_the_nearest_rank(values: list[float], share: float) -> None:
    window = LatencyWindow(1_000)
    for value in values:
        window.observe(value)
    rank = next(i for i in range(1, len(values) + 1) if i / len(values) >= share - 1e-9)
    assert kaplan_meier([(value, False) for value in values]).quantile(share) == sorted(values)[rank - 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60), st.integers(1, 20))
def test_a_window_has_the_curve_of_its_last_values(values: list[tuple[int, bool]], size: int) -> None:
    window = LatencyWindow(size)
    for value, censored in values:
        window.observe(float(value), censored=censored)
    expected = kaplan_meier([(float(value), censored) for value, censored in values[-size:]])
    assert window.curve().times.tolist() == expected.times.tolist()
    assert window.curve().survival == pytest.approx(expected.survival)


def test_censored_latencies_keep_the_estimate_where_naive_ones_drift_low() -> None:
    rng = random.Random(3)
    ours, naive, dropped, truth = LatencyWindow(4_000), [], [], []
    for _ in range(4_000):
        first, copy, delay = rng.expovariate(1.0), rng.expovariate(1.0), 1.0
        truth.append(first)
        cancelled = first > delay + copy
        ours.observe(min(first, delay + copy), censored=cancelled)
        naive.append(min(first, delay + copy))
        if not cancelled:
            dropped.append(first)
    wanted = sorted(truth)[3_600]
    estimate = ours.quantile(0.9)
    assert estimate == pytest.approx(wanted, rel=0.06)
    assert sorted(naive)[3_600] < 0.85 * wanted
    assert sorted(dropped)[int(0.9 * len(dropped))] < 0.8 * wanted


def test_a_change_of_regime_forgets_what_was_before() -> None:
    rng = random.Random(1)
    window = LatencyWindow(1_000)
    for _ in range(800):
        window.observe(rng.lognormvariate(0, 0.5))
    assert window.changes == 0
    for _ in range(150):
        window.observe(3 * rng.lognormvariate(0, 0.5))
    assert window.changes == 1
    median = window.quantile(0.5)
    assert median is not None
    assert median > 2.4


def test_a_slight_shift_of_a_steady_latency_is_left_to_the_window() -> None:
    rng, window = random.Random(3), LatencyWindow()
    for i in range(2_000):
        window.observe((1.0 if i // 300 % 2 else 1.1) + rng.uniform(0, 0.01))
    assert (window.changes, len(window)) == (0, 1_000)


def test_a_steady_server_is_not_taken_for_a_changed_one() -> None:
    rng = random.Random(2)
    window = LatencyWindow(1_000)
    for _ in range(20_000):
        window.observe(rng.lognormvariate(0, 1), censored=rng.random() < 0.05)
    assert window.changes == 0


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_a_latency_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="latency: expected a finite number"):
        LatencyWindow().observe(bad)
