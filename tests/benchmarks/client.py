"""CPU of a request, and many in flight, beside bare aiohttp and httpx in one run.

    python -m tests.benchmarks.client --peers /tmp/peers/bin/python [--rounds 5]

64 in flight against a server that answers after 10 ms. CPU is that of the client's process while it asks;
rounds are interleaved, ratios are taken within a round, figures are medians over rounds. Then 10,000 requests
in flight on one event loop, each answered after 3 s: growth of resident memory, and the lag of the loop.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from collections.abc import Callable
from typing import Any

from .processes import latency_server, load, own, peer, quantile

COUNT = 5_000


def microseconds(told: dict[str, Any]) -> float:
    return 1e6 * float(told["cpu_s"]) / len(told["latencies"])


def cpu(python: str, rounds: int) -> None:
    found: dict[str, list[float]] = {}
    with latency_server("--ms", "10") as server:
        for _ in range(rounds):
            runs: dict[str, Callable[[], dict[str, Any]]] = {
                "aiohttp alone": lambda: peer(python, "aiohttp", server, COUNT, 64),
                "httpx alone": lambda: peer(python, "httpx", server, COUNT, 64, seconds=5.0),
                "Crucible, hedging off": lambda: own(server, COUNT, 64, "off"),
                "Crucible, hedging optimal": lambda: own(server, COUNT, 64, "optimal"),
                "the same without spans": lambda: own(server, COUNT, 64, "optimal", "--no-spans"),
            }
            for name, run in runs.items():
                found.setdefault(name, []).append(microseconds(run()))
    print(f"64 in flight, 10 ms server, {rounds} rounds of {COUNT:,}; {load()}\n")
    print("| client | us CPU a request | range | times aiohttp |")
    print("|---|---|---|---|")
    for name, values in found.items():
        ratio = statistics.median(a / b for a, b in zip(values, found["aiohttp alone"], strict=True))
        told = f"{min(values):.0f} to {max(values):.0f}"
        print(f"| {name} | {statistics.median(values):.0f} | {told} | {ratio:.2f} |")


def many(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * count
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    print(f"\n{count:,} in flight on one loop, answered after 3 s; {load()}\n")
    print("| | memory before | at most | growth | lag of the loop, P50 | P99 | worst |")
    print("|---|---|---|---|---|---|---|")
    with latency_server("--ms", "3000") as server:
        for name, way in (("hedging off", "off"), ("hedging optimal", "optimal")):
            told = own(server, 2 * count, count, way, "--watch")
            grown = told["peak_mib"] - told["before_mib"]
            lags = [f"{1000 * quantile(told['lags'], share):.0f} ms" for share in (0.5, 0.99, 1.0)]
            before, peak = told["before_mib"], told["peak_mib"]
            cells = [f"{before:.0f} MiB", f"{peak:.0f} MiB", f"{grown:.0f} MiB", *lags]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000)
    given = parser.parse_args()
    if given.rounds:
        cpu(given.peers, given.rounds)
    many(given.many)
