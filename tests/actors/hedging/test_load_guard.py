"""The guard against harmful duplicates: by made-up latencies, and in a simulated queue."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from crucible.actors.hedging.load_guard import HOLD, PAIRS, PERIOD, REST, Guarded, LoadGuard
from crucible.actors.hedging.optimal import Optimal
from crucible.actors.hedging.plan import HedgePolicy
from crucible.actors.hedging.policies import Fixed, Off

from ...benchmarks.queueing import Outcome, simulate
from .races import ANY, alone

TRIAL = 2 * PAIRS * PERIOD


def told(guard: LoadGuard, count: int, latency: Callable[[], float]) -> list[bool]:
    """Whether duplicates were allowed before each of ``count`` races."""
    allowed = []
    for _ in range(count):
        allowed.append(guard.allows)
        guard.observe(latency())
    return allowed


def test_while_latencies_are_as_ever_duplicates_are_allowed() -> None:
    for sigma, share in ((0.5, 1.0), (1.0, 0.9)):
        rng, guard = random.Random(1), LoadGuard(1)
        assert statistics.fmean(told(guard, 20_000, lambda: rng.lognormvariate(0, sigma))) >= share  # noqa: B023


def test_a_typical_latency_that_doubles_stops_them_until_it_is_long_over() -> None:
    rng, guard = random.Random(1), LoadGuard(1)
    told(guard, 1_000, lambda: rng.lognormvariate(0, 0.5))
    assert not all(told(guard, 200, lambda: 2.5 * rng.lognormvariate(0, 0.5)))
    after = told(guard, 2 * HOLD, lambda: rng.lognormvariate(0, 0.5))
    assert not any(after[:HOLD])
    assert after[-1]


def test_stragglers_alone_are_no_sign_of_load() -> None:
    rng, guard = random.Random(1), LoadGuard(1)
    told(guard, 1_000, lambda: rng.lognormvariate(0, 0.25))
    slow = told(guard, 5_000, lambda: rng.lognormvariate(0, 0.25) * (30 if rng.random() < 0.1 else 1))
    assert all(slow)


def busy(guard: LoadGuard, rng: random.Random, count: int, *, saves: float) -> list[bool]:
    """A server three times as slow as it was, where duplicates save so much."""
    return told(guard, count, lambda: 3 * rng.lognormvariate(0, 0.25) - (saves if guard.allows else 0.0))


@pytest.mark.parametrize(("saves", "goes_on"), [(1.0, True), (0.0, False), (-0.5, False)])
def test_on_a_busy_server_they_go_on_only_if_periods_with_them_were_better(
    saves: float, goes_on: bool
) -> None:
    rng, guard = random.Random(2), LoadGuard(1)
    told(guard, 1_000, lambda: rng.lognormvariate(0, 0.25))
    allowed = busy(guard, rng, 200 + REST + TRIAL + 1_000, saves=saves)
    assert not any(allowed[200 : REST - 200])  # waits for the load to pass by itself
    assert sum(allowed[200 : REST + TRIAL + 200]) >= TRIAL / 2 - PERIOD  # tries
    assert allowed[-1] == goes_on


def test_a_trial_that_found_no_help_makes_wary_until_one_does() -> None:
    rng, guard = random.Random(2), LoadGuard(1)
    told(guard, 1_000, lambda: rng.lognormvariate(0, 0.25))
    assert all(told(guard, 500, lambda: 1.5 * rng.lognormvariate(0, 0.25)))  # not busy yet
    busy(guard, rng, 200 + REST + TRIAL + 200, saves=-0.5)
    assert told(guard, 2 * HOLD, lambda: rng.lognormvariate(0, 0.25))[-1]
    assert not all(told(guard, 500, lambda: 1.5 * rng.lognormvariate(0, 0.25)))  # busy, for the wary
    again = busy(guard, rng, 2 * REST - 1_000, saves=1.0)
    assert not any(again[200:])  # the next trial is twice as far away


def test_a_level_that_lasts_is_the_new_normal() -> None:
    rng, guard = random.Random(2), LoadGuard(1)
    told(guard, 1_000, lambda: rng.lognormvariate(0, 0.25))
    busy(guard, rng, 4_500, saves=0.0)
    assert all(busy(guard, rng, 1_000 + HOLD, saves=0.0)[-500:])


def test_the_plan_says_why_there_is_no_duplicate() -> None:
    policy = Guarded(Fixed(1.0), seed=1)
    assert policy.plan(0.0, ANY).delay_s == 1.0
    for latency in [0.2] * 400 + [0.5] * 150:
        policy.observe(alone(latency))
    plan = policy.plan(0.0, ANY)
    assert plan.delay_s is None
    assert plan.reason == "no duplicate while the server is busy: typical latency 500 ms, was 200 ms"


# in a queue


def slow_twentieth(rng: random.Random) -> float:
    return 10 * rng.lognormvariate(0, 0.25) * (10 if rng.random() < 0.05 else 1)


MEAN_S = 10 * math.exp(0.25**2 / 2) * 1.45


def runs(make: Callable[[], HedgePolicy], load: float, seeds: range, *, notices: bool) -> list[Outcome]:
    return [
        simulate(make(), slow_twentieth, load=load, mean_s=MEAN_S, count=12_000, seed=seed, notices=notices)
        for seed in seeds
    ]


def guarded() -> HedgePolicy:
    return Guarded(Optimal(0.05), seed=1)


def mean(outcomes: list[Outcome], share: float | None = None) -> float:
    return statistics.fmean(each.mean if share is None else each.quantile(share) for each in outcomes)


def test_at_low_load_the_guard_changes_nothing_and_the_gain_is_kept() -> None:
    seeds = range(2)
    never = runs(Off, 0.3, seeds, notices=False)
    free = runs(lambda: Optimal(0.05), 0.3, seeds, notices=False)
    held = runs(guarded, 0.3, seeds, notices=False)
    assert [each.latencies for each in held] == [each.latencies for each in free]
    assert mean(held, 0.99) < mean(never, 0.99) / 2


@pytest.mark.slow
def test_at_95_percent_of_capacity_hedging_is_no_worse_than_none_where_free_hedging_is() -> None:
    seeds = range(8)
    never = runs(Off, 0.95, seeds, notices=False)
    free = runs(lambda: Optimal(0.05), 0.95, seeds, notices=False)
    held = runs(guarded, 0.95, seeds, notices=False)
    spread = statistics.stdev(each.mean for each in never) / math.sqrt(len(never))
    assert mean(free) > mean(never) + spread
    assert mean(held) < mean(never) + spread
    assert mean(held, 0.99) < mean(never, 0.99) * 1.05


@pytest.mark.slow
def test_at_95_percent_of_capacity_a_server_that_drops_losers_is_better_off_hedged() -> None:
    seeds = range(4)
    never = runs(Off, 0.95, seeds, notices=True)
    held = runs(guarded, 0.95, seeds, notices=True)
    assert mean(held) < mean(never)
    assert mean(held, 0.99) < mean(never, 0.99)
