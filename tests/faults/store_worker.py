"""A program that works on a queue in SQLite as hard as it can, until killed; prints what was acknowledged.

    python store_worker.py FOLDER BOOT OUTSIDE

One line for each acknowledgement. OUTSIDE stands for the world: a line for each call that is made there.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from crucible.adapters.stores import SqliteStore
from crucible.messages.queue import DaemonRecord, Effect, Lease, NewRun, Settlement, StageRecord

STAGES = ("data_load", "train", "report")


def acknowledged(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


async def submit(store: SqliteStore, boot: str, lane: int) -> None:
    for number in itertools.count():
        name = f"{boot}-{lane}-{number}"
        spec = f'{{"id": "{name}"}}'.encode()
        answer = await store.submit(
            NewRun(id=name, experiment_id="e", spec=spec, spec_hash=name, base="/", key=name)
        )
        assert answer.created
        acknowledged("submitted", name)
        while (await store.counts()).by_state.get("queued", 0) > 50:
            await store.changed(0.1)


async def work(store: SqliteStore, outside: int) -> None:
    while True:
        leases = await store.claim("d", limit=4, ttl_s=30.0)
        await asyncio.gather(*(attempt(store, lease, outside) for lease in leases))
        if not leases:
            await store.changed(0.1)


async def attempt(store: SqliteStore, lease: Lease, outside: int) -> None:
    run, token = lease.run.id, lease.token
    done = {record.name for record in await store.stages(run)}
    for step, name in enumerate(STAGES):
        if name in done:
            continue
        key = f"{run}/{name}"
        await store.intend(token, Effect(run_id=run, key=key, stage=name, step=step))
        acknowledged("intended", key)
        os.write(outside, f"{key}\n".encode())
        await store.effect(run, token, key, "acknowledged", remote_ref=f"at {key}")
        acknowledged("effect", key)
        await store.record_stage(
            StageRecord(
                run_id=run, name=name, input_hash="h", status="completed", token=token, result=name.encode()
            )
        )
        acknowledged("stage", run, name)
    await store.settle(run, token, Settlement(state="completed", metrics={"steps": len(STAGES)}))
    acknowledged("settled", run)


async def main(folder: Path, boot: str, outside: Path) -> None:
    descriptor = os.open(outside, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    store = await SqliteStore.open(folder)
    record = DaemonRecord(
        id="d", boot_id=boot, host="h", pid=os.getpid(), started_at=0.0, heartbeat_at=0.0, capacity=4
    )
    await store.register(record, max_interruptions=1_000)
    await asyncio.gather(
        *(submit(store, boot, lane) for lane in range(3)), *(work(store, descriptor) for _ in range(2))
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
