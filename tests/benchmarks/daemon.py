"""What an idle daemon costs, how soon it goes on after a kill, and how it starts on a long queue.

    python -m tests.benchmarks.daemon

A real ``crucible serve`` with its queue in SQLite. CPU is that of the process over half a minute; memory its
resident set. After a kill -9 in mid-run the clock runs from the start of the next process until the run is
leased again; on a queue of 10,000, from the start until the first run is leased. Pages of the list are asked
for over an open connection while runs go on. Where PostgreSQL is installed, two daemons share a queue in it:
then the clock runs from the kill of the one to the lease of the other, with the settings as they are.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from tests.support.postgres import PostgresServer, binaries
from tests.support.queue import new_run

import crucible
from crucible.adapters.stores import SqliteStore
from crucible.client import find_address
from crucible.messages.experiment_file import encode_experiment, load_experiment
from crucible.messages.settings import DaemonSettings

from .processes import load

COMMAND = str(Path(sys.executable).with_name("crucible"))
IDLE_S = 30.0
REPEATS = 5
QUEUED = 10_000


def start(data: Path, *options: str) -> subprocess.Popen[str]:
    command = [COMMAND, "serve", "--data", str(data), "--set", "api.port=0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def idle(data: Path) -> None:
    process = start(data)
    time.sleep(3.0)
    before = cpu_s(process.pid)
    time.sleep(IDLE_S)
    used = cpu_s(process.pid) - before
    cpu = 100 * used / IDLE_S
    print(f"idle: {cpu:.2f} % CPU (goal < 1), {rss_mib(process.pid):.0f} MiB resident (goal < 120)")
    process.terminate()
    process.wait()


def slow_experiment(folder: Path) -> Path:
    """One that is not over before it is looked at."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "c"}) + "\n" for n in range(50)))
    content = {
        "id": "slow",
        "dataset": {"name": "rows", "split": "all", "options": {"path": str(rows)}},
        "backend": {"id": "mock", "options": {"replies": [{"text": "c"}], "latency_ms": 1000}},
        "pipeline": [{"name": "data_load"}, {"name": "backend_call"}, {"name": "report"}],
    }
    file = folder / "slow.json"
    file.write_text(json.dumps(content))
    return file


def end(process: subprocess.Popen[str], *, at_once: bool = False) -> None:
    if at_once:
        process.kill()
    else:
        process.terminate()
    process.wait()


def leased(client: crucible.Client, run_id: str, *, after: int = 0) -> int:
    """The token under which it is worked on, once that is a later one."""
    while True:
        run = client.run(run_id)
        if run.state == "running" and run.token > after:
            return run.token
        time.sleep(0.01)


def resumed(data: Path) -> float:
    """Seconds from the start of the next process to the run being leased again."""
    process = start(data)
    with crucible.Client(data=data) as client:
        run_id = client.submit(slow_experiment(data.parent)).run.id
        token = leased(client, run_id)
    end(process, at_once=True)
    began = time.perf_counter()
    process = start(data)
    with crucible.Client(data=data) as client:
        leased(client, run_id, after=token)
        took = time.perf_counter() - began
        client.cancel(run_id)
    end(process)
    return took


def taken_over(folder: Path) -> float:
    """Seconds from the kill of a daemon to the lease of another one on the same queue."""
    server = PostgresServer(fsync=True)
    (folder / "url").write_text(server.url)
    options = ("--set", "store.kind=postgres", "--set", f"store.url=file:{folder / 'url'}")
    first, second = folder / "first", folder / "second"
    try:
        killed = start(first, *options)
        with crucible.Client(data=first) as client:
            run_id = client.submit(slow_experiment(folder)).run.id
            token = leased(client, run_id)
        other = start(second, *options)
        end(killed, at_once=True)
        began = time.perf_counter()
        with crucible.Client(data=second) as client:
            leased(client, run_id, after=token)
            took = time.perf_counter() - began
        end(other)
        return took
    finally:
        server.remove()


async def fill(data: Path, file: Path) -> None:
    spec = encode_experiment(load_experiment(file))
    store = await SqliteStore.open(data)
    for begin in range(0, QUEUED, 500):
        each = (new_run(f"r{n:05}", spec=spec, base=str(file.parent)) for n in range(begin, begin + 500))
        await asyncio.gather(*(store.submit(run) for run in each))
    await store.aclose()


def long_queue(data: Path) -> None:
    """The first start on a queue of many, and pages of its list."""
    asyncio.run(fill(data, slow_experiment(data.parent)))
    began = time.perf_counter()
    process = start(data)
    answers = time.perf_counter() - began
    with crucible.Client(data=data) as client:
        leased(client, "r00000")
    took = time.perf_counter() - began
    told = f"answers after {answers:.2f} s, a run leased after {took:.2f} s"
    print(f"{QUEUED:,} queued, first start: {told} (goal < 5)")
    address = find_address(data=data)
    headers = {"authorization": f"Bearer {address.token}"}
    with httpx.Client(base_url=f"{address.url}/api/v1", headers=headers, trust_env=False) as http:
        for limit in (50, 500):
            times = []
            for _ in range(21):
                began = time.perf_counter()
                http.get("/runs", params={"limit": limit}).raise_for_status()
                times.append(1e3 * (time.perf_counter() - began))
            middle = statistics.median(times)
            print(f"a page of {limit} of them: median {middle:.1f} ms, longest {max(times):.1f} (goal < 200)")
    end(process)


def main() -> None:
    print(f"load: {load()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        idle(folder / "data")
        times = sorted(resumed(folder / "data") for _ in range(REPEATS))
        print(f"killed, started again, run leased: {times[0]:.2f} to {times[-1]:.2f} s (goal < 5)")
        long_queue(folder / "long")
        if binaries() is not None:
            goal = DaemonSettings().lease_s + 10
            print(f"killed, taken over by another daemon: {taken_over(folder):.1f} s (goal < {goal:.0f})")
    print(f"load: {load()}")


if __name__ == "__main__":
    main()
