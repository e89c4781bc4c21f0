"""A daemon is stopped in the midst of a transaction: it holds up nobody for long, and it is undone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.faults.daemon_process import BOUND
from tests.support.queue import daemon, new_run

from crucible.adapters.stores.postgres import PostgresStore
from crucible.adapters.stores.postgres_address import Address
from crucible.messages.queue import Lease, Settlement

WORKER = Path(__file__).with_name("postgres_worker.py")
HOLDS = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND state = 'idle in transaction'
    AND clock_timestamp() - state_change > interval '0.2 seconds'
"""
"""Idle for so long: what the worker sent before it was stopped has been done."""


@contextmanager
def working(reference: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A worker and what it prints; killed in the end."""
    command = [*BOUND, sys.executable, str(WORKER), reference]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        try:
            yield worker, worker.stdout
        finally:
            worker.kill()


async def stopped_with_the_lock(worker: subprocess.Popen[str], reference: str) -> None:
    """Stop it again and again, until it holds the turn of events, for which all that write must wait."""
    async with Address(reference).connection() as connection:
        while True:
            worker.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(os.waitpid, worker.pid, os.WUNTRACED)
            for _ in range(10):
                if await connection.fetchval(HOLDS):
                    return
                await asyncio.sleep(0.05)
            worker.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.003)


async def claimed(store: PostgresStore, run_id: str) -> Lease:
    """As soon as the lease of the other has run out."""
    while True:
        await store.rescue(max_interruptions=1_000)
        for lease in await store.claim("other", limit=1, ttl_s=60.0):
            assert lease.run.id == run_id
            return lease
        await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_a_daemon_that_stalls_in_a_transaction_holds_up_no_other_and_changes_nothing_later(
    queue: str,
) -> None:
    async with aclosing(await PostgresStore.open(queue)) as store:
        await store.register(daemon("other"), max_interruptions=1_000)
        await store.submit(new_run("r1"))
        with working(queue) as (worker, output):
            assert await asyncio.to_thread(output.readline) == "acknowledged\n"
            await stopped_with_the_lock(worker, queue)
            await store.submit(new_run("r2", priority=-1))
            lease = await claimed(store, "r1")
            await store.settle("r1", lease.token, Settlement(state="completed"))
            before = await store.events(run_id="r1", limit=100_000)
            worker.send_signal(signal.SIGCONT)
            told = (await asyncio.to_thread(output.read)).split()
        assert told[-2:] == ["failed", "lost"]
        assert await store.events(run_id="r1", limit=100_000) == before
        notes = [event.body["number"] for event in before if event.kind == "note"]
        assert notes == list(range(1 + told.count("acknowledged")))
