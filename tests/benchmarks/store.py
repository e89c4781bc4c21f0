"""The durable queue in figures: runs a second, processor time a stage, and a queue of many.

    python tests/benchmarks/store.py [--folder DIR] [--queued N] [postgres]

SQLite with synchronous=FULL on the disk of DIR (default: a temporary folder in the current one). A run is:
submit, claim, three stages recorded one after the other, settle. CPU is user + system time of all threads of
this process. ``postgres`` measures a server of its own in the same way; CPU is that of the client then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from crucible.actors.store import Store
from crucible.adapters.stores import SqliteStore, care_sqlite
from crucible.messages.queue import Lease, NewRun, RunFilter, Settlement, StageRecord

RUNS = 1_500
ROUNDS = 3
IN_FLIGHT = 64
SPEC = (b'{"id": "bench", "pipeline": [' + b'{"name": "data_load", "options": {}}, ' * 50)[:2_000]
RESULT = b'{"stage": "data_load", "status": "completed", "metrics": {"rows": 800}}' * 4


async def submitted(store: Store, prefix: str, count: int, **limits: int) -> None:
    """Submit with many in flight, as an API with many clients does."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with room:
            name = f"{prefix}-{number}"
            spec = SPEC + name.encode()
            run = NewRun(
                id=name,
                experiment_id="bench",
                spec=spec,
                spec_hash=hashlib.sha256(spec).hexdigest(),
                base="/data",
                key=name,
                owner=f"owner{number % 10}",
            )
            await store.submit(run, **limits)

    await asyncio.gather(*(one(number) for number in range(count)))


async def worked(store: Store, stages: int = 3) -> int:
    """Claim and finish until the queue is empty; how many."""

    async def attempt(lease: Lease) -> None:
        for number in range(stages):
            record = StageRecord(
                run_id=lease.run.id,
                name=f"stage{number}",
                input_hash="0" * 64,
                status="completed",
                seconds=0.1,
                result=RESULT,
                token=lease.token,
            )
            await store.record_stage(record)
        await store.settle(lease.run.id, lease.token, Settlement(state="completed", metrics={"f1": 0.5}))

    async def lane() -> int:
        count = 0
        while leases := await store.claim("bench", limit=16, ttl_s=60.0):
            await asyncio.gather(*map(attempt, leases))
            count += len(leases)
        return count

    return sum(await asyncio.gather(*(lane() for _ in range(4))))


async def throughput(store: Store, name: str) -> None:
    rates, costs = [], []
    for round_ in range(ROUNDS):
        began, cpu = time.perf_counter(), time.process_time()
        await submitted(store, f"{name}{round_}", RUNS)
        assert await worked(store) == RUNS
        rates.append(RUNS / (time.perf_counter() - began))
        costs.append((time.process_time() - cpu) / RUNS / 3)
    print(f"{name}: three-stage runs a second {statistics.median(rates):,.0f} (of {ROUNDS}: {_list(rates)})")
    print(f"{name}: CPU a stage, with its share of the rest: {statistics.median(costs) * 1e3:.2f} ms")


async def alone(store: Store, name: str) -> None:
    """One caller that waits for each answer: what one commit costs."""
    times = []
    for number in range(100):
        began = time.perf_counter()
        await submitted(store, f"{name}-alone{number}", 1)
        times.append(time.perf_counter() - began)
    print(f"{name}: one submission, alone: median {statistics.median(times) * 1e3:.1f} ms")
    await worked(store)


async def many(store: Store, name: str, count: int) -> None:
    began = time.perf_counter()
    await submitted(store, f"{name}-many", count, max_queued=1_000_000, max_queued_by_owner=1_000_000)
    rate = count / (time.perf_counter() - began)
    print(f"{name}: {count:,} submitted with quotas checked: {rate:,.0f} a second")
    began = time.perf_counter()
    await submitted(store, f"{name}-last", 200, max_queued=1_000_000, max_queued_by_owner=1_000_000)
    rate = 200 / (time.perf_counter() - began)
    print(f"{name}: with {count:,} queued, submitted: {rate:,.0f} a second")
    await timed(f"{name}: first claim", lambda: store.claim("bench", limit=2, ttl_s=60.0), times=1)
    await timed(
        f"{name}: claim under a quota by owner",
        lambda: store.claim("bench", limit=2, ttl_s=60.0, max_running_by_owner=5),
        times=5,
    )
    await timed(f"{name}: list of 50", lambda: store.runs(limit=50))
    await timed(f"{name}: list of 500", lambda: store.runs(limit=500))
    await timed(f"{name}: list by text found nowhere", lambda: store.runs(RunFilter(text="nowhere at all")))
    await timed(f"{name}: counts", store.counts)
    await timed(f"{name}: 1,000 events from the middle", lambda: store.events(after=count // 2))


async def timed(told: str, call: Callable[[], Awaitable[object]], times: int = 20) -> None:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    print(f"{told}: median {statistics.median(taken) * 1e3:.1f} ms, longest {max(taken) * 1e3:.1f}")


async def sqlite(folder: Path, queued: int) -> None:
    store = await SqliteStore.open(folder)
    await throughput(store, "sqlite")
    await alone(store, "sqlite")
    await store.aclose()
    store = await SqliteStore.open(folder / "many")
    await many(store, "sqlite", queued)
    await store.aclose()
    print(f"sqlite: megabytes with {queued:,} queued: {care_sqlite.size(folder / 'many') / 1e6:.1f}")
    began = time.perf_counter()
    store = await SqliteStore.open(folder / "many")
    print(f"sqlite: opened again in {(time.perf_counter() - began) * 1e3:.0f} ms, with every page checked")
    await store.aclose()


async def postgres(folder: Path, queued: int) -> None:
    from crucible.adapters.stores.postgres import PostgresStore

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.support.postgres import PostgresServer

    server = PostgresServer(fsync=True)
    file = folder / "url"
    file.write_text(server.url)
    try:
        for schema, measure in (("throughput", throughput), ("alone", alone)):
            store = await PostgresStore.open(f"file:{file}", schema=schema)
            await measure(store, "postgres")
            await store.aclose()
        store = await PostgresStore.open(f"file:{file}", schema="many")
        await many(store, "postgres", queued)
        await store.aclose()
    finally:
        server.remove()


def _list(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in sorted(rates))


def main(arguments: list[str]) -> None:
    queued = int(arguments[arguments.index("--queued") + 1]) if "--queued" in arguments else 10_000
    below = arguments[arguments.index("--folder") + 1] if "--folder" in arguments else "."
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors")
    with contextlib.suppress(OSError):
        print("load before:", *(f"{value:.1f}" for value in os.getloadavg()))
    with tempfile.TemporaryDirectory(dir=below, prefix="store-bench-") as name:
        asyncio.run(sqlite(Path(name), queued))
        if "postgres" in arguments:
            asyncio.run(postgres(Path(name), queued))


if __name__ == "__main__":
    main(sys.argv[1:])
