"""A daemon under load: how late its event loop is, and how much memory it takes.

    python -m tests.benchmarks.busy_daemon [--runs 6] [--rows 2000] [--readers 20] [--ms 500]

A real ``crucible serve`` with its queue in SQLite works on four runs at once: rows of the sample data, each
asked of a server in a process of its own, 32 at a time, with checks, metrics, statistics and a report; and on
two trainings between them. Meanwhile readers follow all events, one of them reads nothing, and others look at
the pages. The lag is what the daemon itself measures, a hundred times a second, beside that of a process
which does nothing else; memory is that of its process and its children, over what it had when it was ready.

The server takes 500 ms, as models do; with ``--ms 20`` the daemon has always more to do than it can.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

import crucible
from crucible.client import find_address
from crucible.messages.queue import TERMINAL

from .processes import HERE, ROOT, latency_server, load, quantile

CLAIMS = ROOT / "config" / "experiments" / "claims.toml"
SAMPLE_ROWS = ROOT / "config" / "data" / "claims.jsonl"
PAGES = ("/view/", "/view/actors", "/api/v1/live", "/api/v1/runs?limit=500")
LOOK_S = 0.5


def rss_mib(pid: int) -> float:
    """Of a process and its children."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return own + sum(rss_mib(int(child)) for child in children)
    return 0.0


def experiment(folder: Path, number: int, rows: int, server: str) -> Path:
    """Many rows of the sample data, asked of the server."""
    data = folder / "rows.jsonl"
    if not data.exists():
        known = [json.loads(line) for line in SAMPLE_ROWS.read_bytes().splitlines()]
        given = itertools.islice(itertools.cycle(known), rows)
        data.write_text("".join(json.dumps(row | {"id": f"r{n}"}) + "\n" for n, row in enumerate(given)))
    options = {"base_url": f"{server}/v1", "model": "m"}
    content = {
        "id": f"busy-{number}",
        "dataset": {
            "name": "rows",
            "split": "all",
            "options": {"path": str(data), "input_key": "prompt", "output_key": "completion"},
        },
        "backend": {"id": "openai", "profile": "claim_extraction", "options": options},
        "pipeline": [
            {"name": "data_load"},
            {"name": "data_checks", "options": {"required_fields": ["input", "reference"]}},
            {"name": "guardrails"},
            {"name": "backend_call", "options": {"concurrency": 32}},
            {"name": "analysis_metrics"},
            {"name": "bench", "options": {"metrics": ["schema_compliance"]}},
            {"name": "report"},
        ],
        "outputs": [{"formats": ["markdown", "html", "json"]}],
    }
    file = folder / f"busy-{number}.json"
    file.write_text(json.dumps(content))
    return file


@contextlib.contextmanager
def daemon(data: Path, lags: Path) -> Iterator[int]:
    """Its process."""
    command = [sys.executable, str(HERE / "probed_daemon.py"), str(lags), "serve", "--data", str(data)]
    command += ["--set", "api.port=0", "--set", "daemon.max_running=4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def idle_loop(lags: Path) -> Iterator[None]:
    """A process that looks as often and does nothing else: what the machine is to blame for."""
    with subprocess.Popen([sys.executable, str(HERE / "probed_daemon.py"), str(lags)]) as process:
        try:
            yield
        finally:
            process.kill()


def tell_lags(what: str, lags: Path) -> None:
    seen = [1e3 * float(line) for line in lags.read_text().splitlines()]
    shown = f"median {statistics.median(seen):.1f} ms, P99 {quantile(seen, 0.99):.0f} ms"
    print(f"{what}: {shown}, longest {max(seen):.0f} ms, of {len(seen):,} looks")


class Watchers:
    """Who looks on while the daemon works."""

    def __init__(self, http: httpx.AsyncClient, pid: int) -> None:
        self._http, self._pid = http, pid
        self.events = 0
        self.page_s: list[float] = []
        self.highest_mib = 0.0

    async def follow(self) -> None:
        """All events."""
        async with self._http.stream("GET", "/api/v1/events") as answer:
            async for line in answer.aiter_lines():
                self.events += line.startswith("event:")

    async def dawdle(self) -> None:
        """Ask for all events and read none."""
        async with self._http.stream("GET", "/api/v1/events"):
            await asyncio.sleep(3600)

    async def browse(self, number: int, run: str) -> None:
        """One page after the other."""
        pages = itertools.cycle((*PAGES, f"/view/runs/{run}", f"/view/runs/{run}/samples"))
        for page in itertools.islice(pages, number, None):
            begun = time.perf_counter()
            (await self._http.get(page)).read()
            self.page_s.append(time.perf_counter() - begun)
            await asyncio.sleep(LOOK_S)

    async def weigh(self) -> None:
        """The daemon."""
        while True:
            self.highest_mib = max(self.highest_mib, rss_mib(self._pid))
            await asyncio.sleep(0.1)


async def measure(data: Path, pid: int, files: list[Path], readers: int) -> None:
    before = rss_mib(pid)
    address = find_address(data=data)
    limits = httpx.Limits(max_connections=None)
    headers = {"authorization": f"Bearer {address.token}"}
    begun = time.perf_counter()
    async with (
        crucible.AsyncClient(data=data) as client,
        httpx.AsyncClient(
            base_url=address.url, headers=headers, limits=limits, timeout=None, trust_env=False
        ) as http,
    ):
        ids = [(await client.submit(file)).run.id for file in files]
        watchers = Watchers(http, pid)
        works = [watchers.follow() for _ in range(readers)] + [watchers.dawdle(), watchers.weigh()]
        works += [watchers.browse(number, ids[number % len(ids)]) for number in range(4)]
        tasks = [asyncio.ensure_future(work) for work in works]
        while True:
            runs = [await client.run(id_) for id_ in ids]
            if all(run.state in TERMINAL for run in runs):
                break
            await asyncio.sleep(1.0)
        for task in tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert {run.state for run in runs} == {"completed"}, [(run.id, run.reason) for run in runs]
    took = time.perf_counter() - begun
    print(f"{len(ids)} runs in {took:.0f} s; {readers} readers got {watchers.events:,} events")
    pages = f"median {1e3 * statistics.median(watchers.page_s):.0f} ms"
    print(f"{len(watchers.page_s):,} pages: {pages}, P99 {1e3 * quantile(watchers.page_s, 0.99):.0f} ms")
    print(
        f"memory: {before:.0f} MiB when ready, {watchers.highest_mib:.0f} at most: "
        f"{watchers.highest_mib - before:.0f} MiB more (goal < 300)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--ms", type=int, default=500)
    wanted = parser.parse_args()
    server_options = ("--ms", str(wanted.ms), "--slow-share", "0")
    print(f"load: {load()}")
    with tempfile.TemporaryDirectory() as name, latency_server(*server_options) as server:
        folder = Path(name)
        files = [experiment(folder, number, wanted.rows, server) for number in range(wanted.runs)]
        files[1:1] = files[5:5] = [CLAIMS]
        lags, idle = folder / "lags", folder / "idle"
        with idle_loop(idle), daemon(folder / "data", lags) as pid:
            asyncio.run(measure(folder / "data", pid, files, wanted.readers))
        tell_lags("loop lag (goal for P99: < 100 ms)", lags)
        tell_lags("loop lag of an idle process beside it", idle)
    print(f"load: {load()}")


if __name__ == "__main__":
    main()
