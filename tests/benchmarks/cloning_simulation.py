"""What rules of free-slot cloning gain on batches with a Pareto tail, simulated; see docs/hedging.md.

    python -m tests.benchmarks.cloning_simulation [--batches 150]

5,000 requests (alpha 1.5, median 30 ms), 64 slots, a budget of 1 %. Once no request waits, free slots clone
the requests that run longest. A rule says how many clones a request may have and after which quantile of the
latencies. Seeded; the same batches for all rules.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

COUNT, SLOTS, MEDIAN_S, ALPHA, STEP_S = 5_000, 64, 0.03, 1.5, 0.002


class Rule(NamedTuple):
    name: str
    most: int
    after: float
    budget: float = 0.01


RULES = (
    Rule("as it ships: one clone, after the 90 % quantile", 1, 0.9),
    Rule("a slow clone is cloned again", 99, 0.9),
    Rule("one clone, after the median", 1, 0.5),
    Rule("both", 99, 0.5),
    Rule("both, without a budget", 99, 0.5, 1.0),
)


@dataclass
class Open:
    """A request that runs when the last one has got its slot."""

    end: float
    begun: list[float] = field(default_factory=list)
    """When it and its clones began."""


def makespans(seed: int, rule: Rule) -> tuple[float, float, int]:
    """Seconds without and with cloning, and clones."""
    rng = random.Random(seed)

    def latency() -> float:
        return MEDIAN_S * float((2 * (1 - rng.random())) ** (-1 / ALPHA))

    latencies = [latency() for _ in range(COUNT)]
    free_at, begun = [0.0] * SLOTS, list[float]()
    for seconds in latencies:
        begun.append(heapq.heappop(free_at))
        heapq.heappush(free_at, begun[-1] + seconds)
    now, without = begun[-1], max(free_at)
    running = [
        Open(start + seconds, [start])
        for start, seconds in zip(begun, latencies, strict=True)
        if start + seconds > now
    ]
    usual = sorted(latencies)[int(rule.after * COUNT)]
    left, clones, end = int(rule.budget * COUNT), 0, now
    while running:
        end = max([end, *(each.end for each in running if each.end <= now)])
        running = [each for each in running if each.end > now]
        slots = SLOTS - sum(len(each.begun) for each in running)
        due = [each for each in running if len(each.begun) <= rule.most and now - each.begun[-1] >= usual]
        for each in sorted(due, key=lambda it: it.begun[-1])[: max(0, min(slots, left - clones))]:
            each.begun.append(now)
            each.end = min(each.end, now + latency())
            clones += 1
        now += STEP_S
    return without, end, clones


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=150)
    batches = parser.parse_args().batches
    mean_s = ALPHA / (ALPHA - 1) * MEDIAN_S / 2 ** (1 / ALPHA)
    print(f"work: {COUNT * mean_s / SLOTS:.1f} s a batch on average\n")
    print("| rule | without | with cloning | shorter | median | clones | three batches 2 x shorter |")
    print("|---|---|---|---|---|---|---|")
    for rule in RULES:
        runs = [makespans(seed, rule) for seed in range(batches)]
        without, cloned = (statistics.fmean(run[i] for run in runs) for i in (0, 1))
        middle = statistics.median(run[0] / run[1] for run in runs)
        extra = statistics.fmean(run[2] for run in runs) / COUNT
        triples = [runs[i : i + 3] for i in range(0, batches - 2, 3)]
        doubled = statistics.fmean(
            sum(run[0] for run in three) >= 2 * sum(run[1] for run in three) for three in triples
        )
        print(
            f"| {rule.name} | {without:.1f} s | {cloned:.1f} s | {without / cloned:.2f} x | {middle:.2f} x "
            f"| {extra:.2%} | {doubled:.0%} |"
        )


if __name__ == "__main__":
    main()
