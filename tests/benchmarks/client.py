"""CPU of a request, and many in flight, beside bare aiohttp and httpx in one run.

    python -m tests.benchmarks.client --peers /tmp/peers/bin/python [--rounds 5]

64 in flight against a server that answers after 10 ms. CPU is that of the client's process while it asks;
rounds are interleaved, ratios are taken within a round, figures are medians over rounds. Then 10,000 requests
in flight on one event loop, each answered after a minute: growth of resident memory, and the lag of the loop.
On a busy machine the lag is that of the others; the CPU that this process used within is its own part.
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
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(3 * count, hard)), hard))
    print(f"\n{count:,} requests on one loop, answered after 60 s; {load()}\n")
    columns = (
        "in flight at most",
        "memory before",
        "at most",
        "growth",
        "lag P50",
        "lag P99",
        "CPU within, P99",
    )
    print(f"| | {' | '.join(columns)} |")
    print("|---|" + "---|" * len(columns))
    with latency_server("--ms", "60000") as server:
        for name, way in (("hedging off", "off"), ("hedging optimal", "optimal")):
            told = own(server, count, count, way, "--watch")
            before, peak = told["before_mib"], told["peak_mib"]
            lags, within = ([each[i] for each in told["lags"]] for i in (0, 1))
            seconds = (quantile(lags, 0.5), quantile(lags, 0.99), quantile(within, 0.99))
            cells = [f"{told['most']:,}", *(f"{mib:.0f} MiB" for mib in (before, peak, peak - before))]
            cells += [f"{1000 * each:.0f} ms" for each in seconds]
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
