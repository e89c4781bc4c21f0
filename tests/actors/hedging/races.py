"""Races for the tests of policies."""

from __future__ import annotations

import random

from crucible.actors.hedging.budget import HedgeBudget
from crucible.actors.hedging.plan import Attempt, HedgePolicy, Race, RequestFeatures

ANY = RequestFeatures()


def alone(latency: float) -> Race:
    return Race(attempts=(Attempt(started_s=0.0, latency_s=latency, outcome="answered"),), winner=0)


def failed() -> Race:
    return Race(attempts=(Attempt(started_s=0.0, latency_s=0.01, outcome="failed"),), winner=None)


def raced(first: float, copy: float, delay: float, *, control: bool = False) -> Race:
    won = delay + copy < first
    end = min(first, delay + copy)
    one = Attempt(started_s=0.0, latency_s=first, outcome="answered")
    two = Attempt(started_s=delay, latency_s=copy, outcome="answered")
    if not control:
        if won:
            one = Attempt(started_s=0.0, latency_s=end, outcome="cancelled")
        else:
            two = Attempt(started_s=delay, latency_s=end - delay, outcome="cancelled")
    return Race(attempts=(one, two), winner=int(won), delay_s=delay, control=control)


def slow_twentieth(rng: random.Random) -> float:
    """Median 10; one in twenty takes ten times as long."""
    return rng.lognormvariate(0, 0.25) * (100.0 if rng.random() < 0.05 else 10.0)


def run(policy: HedgePolicy, count: int, seed: int, budget: float = 0.05) -> tuple[list[float], int]:
    """Latencies and the number of duplicates of races one after another under a token bucket."""
    rng = random.Random(seed)
    bucket = HedgeBudget(budget * 100)
    totals, duplicates = [], 0
    for i in range(count):
        first, copy, coin = slow_twentieth(rng), slow_twentieth(rng), rng.random()
        plan = policy.plan(float(i), ANY)
        bucket.on_first(float(i))
        race = alone(first)
        if plan.delay_s is not None and first > plan.delay_s and plan.fires(coin) and bucket.take(float(i)):
            duplicates += 1
            race = raced(first, copy, plan.delay_s, control=rng.random() < 0.02)
        policy.observe(race)
        totals.append(race.total_s)
    return totals, duplicates


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]
