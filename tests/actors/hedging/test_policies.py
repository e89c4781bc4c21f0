"""The hedging policies."""

from __future__ import annotations

import random

import pytest

from crucible.actors.hedging.adaptive import Adaptive, HazardPosterior
from crucible.actors.hedging.optimal import KEPT, Optimal
from crucible.actors.hedging.options import (
    AdaptiveOptions,
    BackoffOptions,
    OptimalOptions,
    PercentileOptions,
    WorkloadOptions,
)
from crucible.actors.hedging.plan import HedgePolicy, RequestFeatures, coin, staggered_delays
from crucible.actors.hedging.policies import ExponentialBackoff, Fixed, Off, Percentile, WorkloadAware

from .races import ANY, alone, failed, quantile, raced, run, slow_twentieth


def delay_of(policy: HedgePolicy, features: RequestFeatures = ANY) -> float | None:
    return policy.plan(0.0, features).delay_s


def test_off_never_sends_a_duplicate() -> None:
    plan = Off().plan(0.0, ANY)
    assert plan.delay_s is None
    assert not plan.fires(0.0)


def test_a_fixed_delay_stays() -> None:
    policy = Fixed(0.1)
    policy.observe(alone(3.0))
    assert delay_of(policy) == 0.1


def test_a_percentile_waits_for_its_samples_and_says_so() -> None:
    policy = Percentile(90.0)
    for value in range(9):
        policy.observe(alone(float(value)))
    assert delay_of(policy) is None
    assert policy.plan(0.0, ANY).reason == "warming up: 9 of 10 latencies"
    policy.observe(alone(9.0))
    assert delay_of(policy) == 8.0


def test_a_percentile_may_have_decimals() -> None:
    policy = Percentile(99.9, PercentileOptions(window=10_000))
    for value in range(5_000):
        policy.observe(alone(value * 7919 % 5_000 / 1_000))
    assert delay_of(policy) == pytest.approx(4.994, abs=0.002)


def test_a_percentile_takes_a_winning_duplicate_for_a_first_that_is_slower_not_for_a_fast_one() -> None:
    policy = Percentile(75.0)
    for _ in range(6):
        policy.observe(alone(1.0))
    for _ in range(6):
        policy.observe(raced(first=50.0, copy=0.2, delay=2.0))
    assert delay_of(policy) == 2.2  # the largest that was seen, not the 0.2 of the duplicate
    policy.observe(raced(first=50.0, copy=0.2, delay=2.0, control=True))
    assert delay_of(policy) == 50.0


def test_failures_say_nothing_of_latency() -> None:
    policy = Percentile(50.0, PercentileOptions(min_samples=1))
    policy.observe(failed())
    assert delay_of(policy) is None


@pytest.mark.parametrize("bad", [0.0, 100.0, -5.0])
def test_a_percentile_outside_its_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="percentile: expected a number between 0 and 100"):
        Percentile(bad)


@pytest.mark.parametrize(
    ("features", "milliseconds"),
    [
        (RequestFeatures(), 100),
        (RequestFeatures(prompt_chars=1_001), 150),
        (RequestFeatures(prompt_chars=2_001), 200),
        (RequestFeatures(prompt_chars=4_001), 250),
        (RequestFeatures(complexity="simple"), 50),
        (RequestFeatures(complexity="complex", period="off_peak", priority="low"), 390),
        (RequestFeatures(period="peak", priority="high"), 42),
    ],
)
def test_workload_aware_multiplies_its_table(features: RequestFeatures, milliseconds: float) -> None:
    assert delay_of(WorkloadAware(), features) == pytest.approx(milliseconds / 1_000)


def test_workload_aware_waits_at_least_ten_milliseconds() -> None:
    assert delay_of(WorkloadAware(WorkloadOptions(base_ms=1.0))) == 0.010


def test_back_off_shrinks_grows_and_stays_within_its_bounds() -> None:
    policy = ExponentialBackoff()
    policy.observe(alone(0.05))
    assert delay_of(policy) == pytest.approx(0.090)
    policy.observe(raced(first=9.0, copy=0.1, delay=0.09))
    assert delay_of(policy) == pytest.approx(0.081)
    policy.observe(raced(first=0.2, copy=0.9, delay=0.081))
    assert delay_of(policy) == pytest.approx(0.1215)
    policy.observe(failed())
    assert delay_of(policy) == pytest.approx(0.243)
    for _ in range(50):
        policy.observe(failed())
    assert delay_of(policy) == 5.0
    for _ in range(100):
        policy.observe(alone(0.1))
    assert delay_of(policy) == pytest.approx(0.010)


def test_back_off_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="expected min_ms <= base_ms <= max_ms"):
        BackoffOptions(base_ms=1.0)


def test_the_optimal_policy_halves_the_99th_percentile_within_its_budget() -> None:
    plain, _ = run(Off(), 10_000, seed=4)
    hedged, duplicates = run(Optimal(0.05), 10_000, seed=4)
    assert quantile(hedged, 0.99) * 2 <= quantile(plain, 0.99)
    assert duplicates <= 0.05 * 10_000


def test_the_optimal_policy_beats_the_percentile_that_spends_as_much() -> None:
    fixed, _ = run(Percentile(95.0), 10_000, seed=4)
    hedged, _ = run(Optimal(0.05), 10_000, seed=4)
    assert quantile(hedged, 0.99) < 0.8 * quantile(fixed, 0.99)


def test_the_optimal_policy_learns_from_duplicates_that_they_are_slow_too() -> None:
    policy = Optimal(0.3, OptimalOptions(correlation="paired", target_percentile=95.0, min_samples=50))
    rng = random.Random(1)
    for _ in range(100):
        policy.observe(alone(rng.uniform(1.0, 2.0)))
    assert delay_of(policy) is not None
    for _ in range(40):
        policy.observe(raced(first=rng.uniform(1.5, 2.0), copy=9.0, delay=1.5, control=True))
        policy.observe(alone(rng.uniform(1.0, 1.5)))
    assert policy.plan(0.0, ANY).reason == "no duplicate would lower P95"


def test_the_optimal_policy_keeps_its_plan_while_latencies_that_changed_are_still_few() -> None:
    policy, rng = Optimal(0.05), random.Random(1)
    for _ in range(1_000):
        policy.observe(alone(slow_twentieth(rng)))
    before = policy.plan(0.0, ANY)
    told = set[str]()
    for _ in range(95):  # half as slow again: after a block of 50 the older ones are forgotten
        policy.observe(alone(1.5 * slow_twentieth(rng)))
        plan = policy.plan(0.0, ANY)
        assert plan.delay_s is not None
        told.add(plan.reason)
    assert f"{before.reason}{KEPT}" in told
    assert all("warming up" not in reason for reason in told)


def test_the_optimal_policy_lowers_what_it_can_when_its_target_is_out_of_reach() -> None:
    policy = Optimal(0.05, OptimalOptions(target_percentile=99.0))
    for number in range(1_000):  # with 7 % slow ones 2 % stay slow, whatever is done with duplicates for 5 %
        policy.observe(alone(100.0 if number % 100 < 7 else 10.0))
    plan = policy.plan(0.0, ANY)
    assert plan.delay_s is not None
    assert plan.reason.startswith("P99 is out of reach; P97 expected at")
    assert plan.probability * 0.07 <= 0.05 + 1e-9


def test_the_posterior_of_a_bin_is_that_of_a_beta() -> None:
    posterior = HazardPosterior(memory=10**9)
    for _ in range(30):
        posterior.observe(1.0, censored=False)
    for _ in range(10):
        posterior.observe(1.5, censored=True)
    for _ in range(60):
        posterior.observe(10.0, censored=False)
    rng = random.Random(0)
    # 100 at risk at 1 s, 30 answered in its bin; nobody is answered until 10 s.
    draws = [posterior.draw(rng)[40] for _ in range(2_000)]
    assert sum(draws) / len(draws) == pytest.approx(0.7, abs=0.015)
    spread = (sum((draw - 0.7) ** 2 for draw in draws) / len(draws)) ** 0.5
    assert spread == pytest.approx((0.7 * 0.3 / 101) ** 0.5, rel=0.1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thompson_sampling_explores_and_then_settles_on_the_best_delay(seed: int) -> None:
    """Most take 0.1 s, a tenth 20 s: waiting 0.2 s is best, 5 s is late and 0.02 s duplicates everything."""
    rng = random.Random(5)
    policy = Adaptive(seed, AdaptiveOptions(delays_ms=(20.0, 200.0, 5_000.0), redraw_every=1))
    chosen: list[float | None] = []
    for _ in range(1_500):
        first, copy = (20.0 if rng.random() < 0.1 else rng.uniform(0.09, 0.11) for _ in range(2))
        delay = delay_of(policy)
        chosen.append(delay)
        policy.observe(alone(first) if delay is None or first <= delay else raced(first, copy, delay))
    assert chosen[-500:].count(0.2) > 450
    assert len(set(chosen[10:60])) > 1


def test_thompson_sampling_stops_where_duplicates_save_nothing() -> None:
    rng = random.Random(6)
    policy = Adaptive(seed=2, options=AdaptiveOptions(redraw_every=1))
    chosen = []
    for _ in range(600):
        first, copy = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)
        delay = delay_of(policy)
        chosen.append(delay)
        policy.observe(alone(first) if delay is None or first <= delay else raced(first, copy, delay))
    paid = [delay for delay in chosen[-200:] if delay is not None and delay < 0.6]
    assert len(paid) <= 10


def test_the_same_seed_gives_the_same_choices() -> None:
    assert run(Adaptive(7), 300, seed=1) == run(Adaptive(7), 300, seed=1)
    assert coin(1, "a", "hedge") == coin(1, "a", "hedge")
    assert coin(1, "a", "hedge") != coin(2, "a", "hedge")
    draws = [coin(0, str(i), "hedge") for i in range(2_000)]
    assert sum(draws) / 2_000 == pytest.approx(0.5, abs=0.03)


def test_further_duplicates_are_staggered() -> None:
    assert staggered_delays(0.1, 3) == pytest.approx((0.1, 0.25, 0.475))
