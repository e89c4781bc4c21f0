"""The single randomised reissue."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crucible.actors.hedging.latency import SurvivalCurve, kaplan_meier
from crucible.actors.hedging.reissue import Reissues

from .races import slow_twentieth


def curve(values: list[float]) -> SurvivalCurve:
    return kaplan_meier([(value, False) for value in values])


def done_by(t: float, d: float, q: float, first: list[float], copy: list[float]) -> float:
    """P(done by t), pair by pair."""
    done = sum(x <= t for x in first) / len(first)
    if t < d:
        return done
    return done + q * (1 - done) * sum(y <= t - d for y in copy) / len(copy)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 40), min_size=5, max_size=30),
    st.sampled_from([0.05, 0.1, 0.3, 1.0]),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_the_scan_is_as_good_as_trying_every_delay(values: list[int], budget: float, share: float) -> None:
    first = [float(value) for value in values]
    fitted = Reissues(curve(first), curve(first), budget).best(share)
    grid = sorted({0.0, *first})
    best = curve(first).quantile(share)
    for d in grid:
        slower = sum(x > d for x in first) / len(first)
        if slower:
            q = min(1.0, budget / slower)
            times = [t for t in [*first, *(d + y for y in first)] if t > d]
            reached = [t for t in times if done_by(t, d, q, first, first) >= share - 1e-9]
            best = min([best, *reached])
    found = curve(first).quantile(share) if fitted is None else fitted.reached_s
    assert found <= best * 1.05  # the steps of t and the slack
    if fitted is not None:
        reached_share = done_by(fitted.reached_s, fitted.delay_s, fitted.probability, first, first)
        assert reached_share >= share - 1e-9
        assert fitted.load <= budget + 1e-9


def test_a_slow_class_as_large_as_the_budget_is_hedged_before_it_shows() -> None:
    rng = random.Random(0)
    values = [slow_twentieth(rng) for _ in range(20_000)]
    fitted = Reissues(curve(values), curve(values), 0.05).best(0.99)
    assert fitted is not None
    assert 17 < fitted.delay_s < 24
    assert fitted.reached_s == pytest.approx(33, rel=0.05)


def test_duplicates_that_are_always_slower_are_not_worth_it() -> None:
    rng = random.Random(0)
    values = [slow_twentieth(rng) for _ in range(1_000)]
    assert Reissues(curve(values), curve([1_000.0]), 0.05).best(0.99) is None


def test_latencies_that_are_all_equal_need_no_duplicate() -> None:
    assert Reissues(curve([2.0] * 50), curve([2.0] * 50), 0.05).best(0.99) is None
