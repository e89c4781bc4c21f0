"""Hedging policies on simulated latencies: P99, P99.9 and duplicates per request.

    python tests/benchmarks/hedging_simulation.py [--quick]

Latencies are in units of the median, 10. Models: 5 % of requests 10 times slower, 1 % 30 times slower (both
on a lognormal with sigma 0.25), lognormal with sigma 1, Pareto with alpha 1.5. In the correlated variants
the duplicate has, with the probability given, the same per-prompt factor as the first: the same class (slow
or not) in the mixtures, the same latency in the other two.

Three tables. Fixed policies on a million pairs: no hedge, an immediate duplicate by a coin, delay only, and
SingleR fitted to a million latencies, with the best (d, q) found by a grid search beside it. Online
policies: the real policy objects, from nothing, over a stream of races with the token bucket; the first
tenth is left out of the percentiles, not of the count of duplicates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crucible.actors.hedging.adaptive import Adaptive
from crucible.actors.hedging.budget import HedgeBudget
from crucible.actors.hedging.latency import SurvivalCurve
from crucible.actors.hedging.optimal import Optimal
from crucible.actors.hedging.options import AdaptiveOptions, OptimalOptions
from crucible.actors.hedging.plan import Attempt, HedgePolicy, Race, RequestFeatures
from crucible.actors.hedging.policies import Off, Percentile
from crucible.actors.hedging.reissue import Reissues

Array = NDArray[np.float64]
Model = Callable[[np.random.Generator, int, float], tuple[Array, Array]]
BUDGET = 0.05


def mixture(slow: float, factor: float) -> Model:
    def draw(rng: np.random.Generator, count: int, shared: float) -> tuple[Array, Array]:
        same = rng.random(count) < shared
        slow_first = rng.random(count) < slow
        slow_copy = np.where(same, slow_first, rng.random(count) < slow)
        base = 10 * np.exp(0.25 * rng.standard_normal((2, count)))
        return base[0] * np.where(slow_first, factor, 1), base[1] * np.where(slow_copy, factor, 1)

    return draw


def transformed(quantile: Callable[[Array], Array]) -> Model:
    def draw(rng: np.random.Generator, count: int, shared: float) -> tuple[Array, Array]:
        first, copy = rng.standard_normal((2, count))
        return quantile(first), quantile(np.where(rng.random(count) < shared, first, copy))

    return draw


def lognormal(score: Array) -> Array:
    return np.asarray(10 * np.exp(score))


def pareto(score: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(10 * (2 * ndtr(-score)) ** (-1 / 1.5))


MODELS: dict[str, Model] = {
    "5 % of requests 10x": mixture(0.05, 10),
    "1 % of requests 30x": mixture(0.01, 30),
    "lognormal, sigma 1": transformed(lognormal),
    "Pareto, alpha 1.5": transformed(pareto),
}


class Result(NamedTuple):
    p99: float
    p999: float
    extra: float


def summary(latencies: Array, duplicates: float) -> Result:
    return Result(
        float(np.quantile(latencies, 0.99)), float(np.quantile(latencies, 0.999)), duplicates / len(latencies)
    )


def race_all(first: Array, copy: Array, coins: Array, delay: float, probability: float) -> Result:
    sent = (first > delay) & (coins < probability)
    total = np.where(sent, np.minimum(first, delay + copy), first)
    return summary(total, float(sent.sum()))


def fitted(first: Array, share: float) -> tuple[float, float]:
    """SingleR on 20,001 evenly spaced quantiles of the latencies."""
    grid = np.linspace(0, 1, 20_001)[1:]
    curve = SurvivalCurve(np.quantile(first, grid).tolist(), (1 - grid).tolist())
    best = Reissues(curve, curve, BUDGET).best(share)
    return (np.inf, 0.0) if best is None else (best.delay_s, best.probability)


def grid_optimum(first: Array, copy: Array, coins: Array, share: float) -> float:
    """The lowest percentile over 400 delays, each with all of the budget: what no fit can beat."""
    best = float(np.quantile(first, share))
    for at in np.linspace(0.3, 0.998, 400):
        delay = float(np.quantile(first, at))
        sent = (first > delay) & (coins < min(1.0, BUDGET / (1 - at)))
        total = np.where(sent, np.minimum(first, delay + copy), first)
        best = min(best, float(np.quantile(total, share)))
    return best


def races(
    policy: HedgePolicy, first: Array, copy: Array, coins: Array, control: float = 0.02
) -> tuple[Array, int]:
    """Latencies and duplicates of one race after another.

    In ``control`` of the races the loser runs to its end.
    """
    bucket = HedgeBudget(BUDGET * 100)
    features = RequestFeatures()
    totals, duplicates = [], 0
    for i, (x, y, coin) in enumerate(zip(first.tolist(), copy.tolist(), coins.tolist(), strict=True)):
        plan = policy.plan(float(i), features)
        bucket.on_first(float(i))
        delay = plan.delay_s
        if delay is None or x <= delay or not plan.fires(coin) or not bucket.take(float(i)):
            race = Race(attempts=(Attempt(started_s=0.0, latency_s=x, outcome="answered"),), winner=0)
        else:
            duplicates += 1
            race = settled(x, y, delay, control=(coin * 1_000) % 1 < control)
        policy.observe(race)
        totals.append(race.total_s)
    return np.asarray(totals), duplicates


def online(policy: HedgePolicy, first: Array, copy: Array, coins: Array) -> Result:
    """The races of a policy, without the percentiles of the first tenth."""
    totals, duplicates = races(policy, first, copy, coins)
    result = summary(totals[len(totals) // 10 :], 0.0)
    return result._replace(extra=duplicates / len(totals))


def settled(x: float, y: float, delay: float, *, control: bool) -> Race:
    """The race of a first that takes ``x`` and a duplicate, sent after ``delay``, that takes ``y``."""
    won = delay + y < x
    end = min(x, delay + y)
    attempts = (
        Attempt(started_s=0.0, latency_s=x, outcome="answered")
        if control or not won
        else Attempt(started_s=0.0, latency_s=end, outcome="cancelled"),
        Attempt(started_s=delay, latency_s=y, outcome="answered")
        if control or won
        else Attempt(started_s=delay, latency_s=end - delay, outcome="cancelled"),
    )
    return Race(attempts=attempts, winner=int(won), delay_s=delay, control=control)


def told(result: Result) -> str:
    return f"{result.p99:.1f} / {result.p999:.1f} ({result.extra:.2%})"


def fixed_table(count: int) -> None:
    print(f"Fixed policies, {count:,} pairs; P99 / P99.9 (duplicates per request)\n")
    print(
        "| model | shared | no hedge | immediate, coin | delay only | SingleR for P99 (d, q) "
        "| SingleR for P99.9 (d, q) | best P99 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for number, (name, model) in enumerate(MODELS.items()):
        for shared in (0.0, 0.5, 1.0):
            rng = np.random.default_rng([7, number, int(shared * 100)])
            first, copy = model(rng, count, shared)
            coins = rng.random(count)
            single = {share: fitted(first, share) for share in (0.99, 0.999)}
            for_p99 = race_all(first, copy, coins, *single[0.99])
            for_p999 = race_all(first, copy, coins, *single[0.999])
            part = count // 4
            cells = [
                told(summary(first, 0.0)),
                told(race_all(first, copy, coins, 0.0, BUDGET)),
                told(race_all(first, copy, coins, float(np.quantile(first, 1 - BUDGET)), 1.0)),
                told(for_p99) + " ({:.1f}, {:.2f})".format(*single[0.99]),
                told(for_p999) + " ({:.1f}, {:.2f})".format(*single[0.999]),
                f"{grid_optimum(first[:part], copy[:part], coins[:part], 0.99):.1f}",
            ]
            print(f"| {name} | {shared:.0%} | " + " | ".join(cells) + " |")


def online_table(count: int, numbers: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    print(f"\nOnline policies, {count:,} races each; P99 / P99.9 (duplicates per request)\n")
    columns: dict[str, Callable[[], HedgePolicy]] = {
        "off": Off,
        "percentile 95": lambda: Percentile(95.0),
        "adaptive": lambda: Adaptive(3, AdaptiveOptions(delays_ms=(5e3, 1e4, 2e4, 5e4, 1e5))),
        "optimal": lambda: Optimal(BUDGET),
        "optimal, paired": lambda: Optimal(BUDGET, OptimalOptions(correlation="paired")),
        "optimal, P99.9": lambda: Optimal(BUDGET, OptimalOptions(target_percentile=99.9)),
    }
    print("| model | shared | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for number in numbers:
        name, model = list(MODELS.items())[number]
        for shared in (0.0, 0.5):
            cells = []
            for make in columns.values():
                rng = np.random.default_rng([11, number, int(shared * 100)])
                first, copy = model(rng, count, shared)
                cells.append(told(online(make(), first, copy, rng.random(count))))
            print(f"| {name} | {shared:.0%} | " + " | ".join(cells) + " |")


def cost_table() -> None:
    print("\nCPU of plan and observe together, microseconds a race\n")
    rng = np.random.default_rng(5)
    first, copy = MODELS["5 % of requests 10x"](rng, 20_000, 0.0)
    coins = rng.random(len(first))
    policies: dict[str, HedgePolicy] = {
        "off": Off(),
        "percentile": Percentile(95.0),
        "adaptive": Adaptive(3, AdaptiveOptions(delays_ms=(5e3, 1e4, 2e4, 5e4, 1e5))),
        "optimal": Optimal(BUDGET),
    }
    for name, policy in policies.items():
        start = time.process_time()
        online(policy, first, copy, coins)
        print(f"{name}: {(time.process_time() - start) / len(first) * 1e6:.1f}")


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    fixed_table(100_000 if quick else 1_000_000)
    online_table(10_000 if quick else 50_000)
    cost_table()
