"""A program that writes events of a run to a queue in PostgreSQL until its lease is lost.

    python postgres_worker.py REFERENCE

One line for each that is acknowledged, "failed" for each call that fails, and "lost" at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys

from crucible.adapters.stores.postgres import PostgresStore
from crucible.messages.errors import LeaseLostError, StoreError
from crucible.messages.queue import DaemonRecord

TTL_S = 4.0


async def main(reference: str) -> None:
    store = await PostgresStore.open(reference)
    record = DaemonRecord(
        id="stalled", boot_id="b", host="h", pid=os.getpid(), started_at=0.0, heartbeat_at=0.0, capacity=1
    )
    await store.register(record, max_interruptions=1_000)
    [lease] = await store.claim("stalled", limit=1, ttl_s=TTL_S)
    run, token = lease.run.id, lease.token
    number = 0
    while True:
        try:
            await store.record_event(run, token, "note", {"number": number})
            print("acknowledged", flush=True)
            number += 1
            if number % 50 == 0:
                await store.renew("stalled", {run: token}, ttl_s=TTL_S)
        except StoreError:
            print("failed", flush=True)
        except LeaseLostError:
            print("lost", flush=True)
            return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
