"""Hedging over sockets beside other hedging clients, and free-slot cloning: all in one run.

    python -m tests.benchmarks.hedging_live --peers /tmp/peers/bin/python

POST requests to a server where 5 % of the requests take ten times as long (by default 200 ms and 32 in
flight); the same sequence for each client. A budget of 5 % for all. Fixed delays: twice the usual time, which
is about the best there is and must be known beforehand, and 4.5 times. The server counts extra requests.

Cloning: batches on a server with a Pareto tail (alpha 1.5), 64 in flight, each with and without, budget 1 %.
The figure is the makespan: seconds until the last answer.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from .processes import asked, latency_server, load, own, peer, quantile


def hedging(python: str | None, count: int, ms: float, in_flight: int) -> None:
    print(f"POST, {ms:g} ms, 5 % of requests 10x, {count:,} requests, {in_flight} in flight; {load()}\n")
    found: dict[str, tuple[dict[str, Any], int]] = {}
    with latency_server("--ms", str(ms), "--slow-share", "0.05", "--slow-factor", "10") as server:
        for name, way in (
            ("no hedging", "off"),
            ("fixed delay, 2x", str(2 * ms)),
            ("fixed delay, 4.5x", str(4.5 * ms)),
            ("optimal", "optimal"),
        ):
            asked(server)
            found[name] = own(server, count, in_flight, way), asked(server)
        for name in ("httpx", "httpx-hedged", "hedge-python") if python else ():
            found[name] = peer(python or "", name, server, count, in_flight), asked(server)
    print("| client | P50 | P95 | P99 | P99.9 | extra requests | P99 against optimal |")
    print("|---|---|---|---|---|---|---|")
    best = quantile(found["optimal"][0]["latencies"], 0.99)
    for name, (told, requests) in found.items():
        cells = [f"{1000 * quantile(told['latencies'], share):.0f} ms" for share in (0.5, 0.95, 0.99, 0.999)]
        ratio = quantile(told["latencies"], 0.99) / best
        print(f"| {name} | {' | '.join(cells)} | {requests / count - 1:.1%} | {ratio:.2f} x |", flush=True)


def cloning(count: int, ms: float, batches: int) -> None:
    print(f"\n{batches} batches of {count:,}, Pareto tail 1.5, median {ms:g} ms, 64 in flight; {load()}\n")
    print("| batch | makespan without | with free-slot cloning | extra requests | shorter |")
    print("|---|---|---|---|---|")
    makespans: list[tuple[float, float]] = []
    with latency_server("--ms", str(ms), "--pareto", "1.5") as server:
        for batch in range(batches):
            asked(server, 1_000_000 * batch)
            without = own(server, count, 64, "off")["wall_s"]
            asked(server, 1_000_000 * batch)
            cloned = own(server, count, 64, "cloning")["wall_s"]
            extra = asked(server) / count - 1
            makespans.append((without, cloned))
            ratio = without / cloned
            print(
                f"| {batch + 1} | {without:.1f} s | {cloned:.1f} s | {extra:.2%} | {ratio:.2f} x |",
                flush=True,
            )
    without, cloned = (sum(each) for each in zip(*makespans, strict=True))
    middle = statistics.median(one / other for one, other in makespans)
    print(f"\nall together {without / cloned:.2f} x shorter, median of the batches {middle:.2f} x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers")
    parser.add_argument("--count", type=int, default=4_000)
    parser.add_argument("--ms", type=float, default=200.0)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--no-cloning", action="store_true")
    given = parser.parse_args()
    hedging(given.peers, given.count, given.ms, given.in_flight)
    if not given.no_cloning:
        cloning(5_000, 50.0, 5)
