"""The API over a real socket, with a daemon on SQLite in a process of its own.

    python -m tests.benchmarks.api [--runs 10000] [--samples 5000]

Submits runs that are not due before the year 2100 and lists them; then reads samples of a finished run whose
``samples.jsonl`` is that of a real run, repeated. Times are of the client, with the connection open; CPU is
that of the daemon's process, from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

import crucible
from crucible.client import find_address

from .processes import ROOT, load

FILE = ROOT / "config" / "experiments" / "claims.toml"
IN_FLIGHT = 16
REPEATS = 20


class Served(NamedTuple):
    data: Path
    pid: int

    def cpu_s(self) -> float:
        """Of the daemon so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served() -> Iterator[Served]:
    """A daemon on a new data folder."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-c", "from crucible.adapters.cli import main; main()", "serve"]
        command += ["--data", str(data), "--set", "api.port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield Served(data, process.pid)
            finally:
                process.terminate()


async def submit(data: Path, count: int) -> float:
    """Submissions a second."""
    experiment = crucible.load_experiment(FILE)
    async with crucible.AsyncClient(data=data) as client:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await client.submit(experiment, base=str(FILE.parent), run_at=4_102_444_800.0)

        begun = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return count / (time.perf_counter() - begun)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Median and worst of some calls, in milliseconds."""
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(took), max(took)


def list_runs(http: httpx.Client, count: int) -> None:
    for limit in (50, 500):
        middle, worst = timed(lambda limit=limit: http.get("/runs", params={"limit": limit}))  # type: ignore[misc]
        print(f"a page of {limit} of {count:,} runs: {middle:.1f} ms, worst {worst:.1f} ms")
    middle, worst = timed(lambda: http.get("/runs", params={"text": "no-such-run"}))
    print(f"a search through {count:,} runs that finds none: {middle:.1f} ms, worst {worst:.1f} ms")
    begun = time.perf_counter()
    cursor, seen = None, 0
    while True:
        page = http.get("/runs", params={"limit": 500} | ({"cursor": cursor} if cursor else {})).json()
        seen += len(page["runs"])
        cursor = page["cursor"]
        if cursor is None:
            break
    print(f"all {seen:,} runs in pages of 500: {1e3 * (time.perf_counter() - begun):.0f} ms")


def repeat_samples(path: Path, count: int) -> float:
    """Repeat the lines of a file until there are so many; MiB."""
    lines = path.read_bytes().splitlines(keepends=True)
    bigger = path.with_name(".bigger")
    with bigger.open("wb") as file:
        for number in range(count):
            file.write(lines[number % len(lines)])
    bigger.replace(path)
    return path.stat().st_size / 2**20


def open_samples(daemon: Served, http: httpx.Client, count: int) -> None:
    with crucible.Client(data=daemon.data) as client:
        run = client.wait(client.submit(FILE).run.id)
    assert run.state == "completed", run
    path = daemon.data / "runs" / run.id / "samples.jsonl"
    mib = repeat_samples(path, count)
    asks: dict[str, dict[str, str | int]] = {
        "the first page of 50": {},
        "the same page again": {},
        "a page in the middle": {"start": count // 2},
        "a search that finds none": {"text": "no such text"},
    }
    print(f"samples of a finished run: {count:,}, {mib:.0f} MiB")
    for name, params in asks.items():
        before, begun = daemon.cpu_s(), time.perf_counter()
        answer = http.get(f"/runs/{run.id}/samples", params=params)
        took, cpu = time.perf_counter() - begun, daemon.cpu_s() - before
        assert answer.json()["total"] == count, answer.text
        print(f"{name}: {cpu:.2f} s CPU, {1e3 * took:.0f} ms, {len(answer.content) / 1024:.0f} KiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=5_000)
    wanted = parser.parse_args()
    print(f"load: {load()}")
    with served() as daemon:
        rate = asyncio.run(submit(daemon.data, wanted.runs))
        print(f"submissions: {rate:.0f} a second, {IN_FLIGHT} in flight, each checked and on disk")
        address = find_address(data=daemon.data)
        headers = {"authorization": f"Bearer {address.token}"}
        with httpx.Client(base_url=f"{address.url}/api/v1", headers=headers, trust_env=False) as http:
            list_runs(http, wanted.runs)
            open_samples(daemon, http, wanted.samples)
    print(f"load: {load()}")


if __name__ == "__main__":
    main()
