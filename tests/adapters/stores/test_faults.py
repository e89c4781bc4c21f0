"""A fault at every call in turn: who asks again, as the contract says, ends where it would have anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.failing_store import KINDS, FailingStore, FaultKind, fault_at
from tests.support.queue import daemon, new_run, new_schedule, stage

from crucible.actors.store import Store
from crucible.messages.errors import ConflictError, StoreError
from crucible.messages.queue import Effect, Lease, Settlement, StoredArtifact, StoredSession


class Story:
    """A daemon and its client, who ask again when they are told of a failure."""

    def __init__(self, store: Store, bench: Bench, name: str) -> None:
        self.store, self.bench, self.name = store, bench, name
        self.due = bench.now
        self.called: dict[str, set[str]] = {"train": set(), "ask": set()}

    async def sure(self, call: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(3):
            try:
                return await call()
            except (StoreError, asyncio.CancelledError):
                continue
        raise AssertionError("failed three times")

    async def tell(self) -> None:
        """All that a run can go through."""
        run, store = f"{self.name}-run", self.store
        await self.sure(lambda: store.register(daemon(self.name), max_interruptions=3))
        await self.sure(lambda: store.submit(new_run(run, key=run, owner=self.name)))
        await self.sure(lambda: store.pause(run))
        await self.resume(run)
        first = await self.claim(run)
        await self.attempt(first)
        await self.sure(lambda: store.pause(run))
        pausing = Settlement(state="paused", counted=False)
        await self.sure(lambda: store.settle(run, first.token, pausing))
        await self.resume(run)
        second = await self.claim(run)
        await self.attempt(second)
        await self.sure(lambda: store.renew(self.name, {run: second.token}, ttl_s=30.0))
        done = Settlement(state="completed", metrics={"f1": 0.5})
        await self.sure(lambda: store.settle(run, second.token, done))
        await self.schedule()
        await self.sure(lambda: store.heartbeat(self.name, "b1"))
        await self.sure(lambda: store.forget(self.name, "b1"))

    async def resume(self, run: str) -> None:
        try:
            await self.sure(lambda: self.store.resume(run))
        except ConflictError:  # so it was done
            assert (await self.bench.store.run(run)).state == "queued"

    async def claim(self, run: str) -> Lease:
        """What was claimed without our knowing comes back when its lease runs out, or is handed back."""
        for _ in range(100):  # a claim whose caller was cancelled may be under way for a while
            leases = await self.sure(lambda: self.store.claim(self.name, limit=1, ttl_s=30.0))
            if leases:
                assert [lease.run.id for lease in leases] == [run]
                return leases[0]  # type: ignore[no-any-return]
            await self.bench.advance(31.0)
            await self.sure(lambda: self.store.rescue(max_interruptions=3))
        raise AssertionError("the run is lost")

    async def attempt(self, lease: Lease) -> None:
        run, store, token = lease.run.id, self.store, lease.token
        for step, kind in enumerate(("train", "ask")):
            key = f"{run}/{kind}"
            effect = Effect(run_id=run, key=key, stage=kind, step=step)
            known = await self.sure(partial(store.intend, token, effect))
            if known.state != "acknowledged":
                self.called[kind].add(known.key)
            await self.sure(partial(store.effect, run, token, key, "acknowledged", remote_ref=kind))
            record = stage(run, token, kind, result=kind.encode())
            await self.sure(partial(store.record_stage, record))
        files = [StoredArtifact(run_id=run, name="report.md", media_type="text/markdown", bytes=3)]
        await self.sure(lambda: store.record_artifacts(run, token, files))
        session = StoredSession(run_id=run, backend="tinker", remote_id="t", last_step=2)
        await self.sure(lambda: store.save_session(token, session))

    async def schedule(self) -> None:
        store, name = self.store, f"{self.name}-nightly"
        later = self.due + 1e9
        given = new_schedule(name, next_at=self.due, owner=self.name)
        await self.sure(lambda: store.put_schedule(given))
        await self.sure(lambda: store.pause_schedule(name))
        await self.sure(lambda: store.resume_schedule(name, next_at=self.due))
        await self.sure(lambda: store.fire(name, due_at=self.due, next_at=later, run_id=f"{self.name}-fired"))
        await self.sure(lambda: store.cancel(f"{self.name}-fired", "enough"))

    async def end(self) -> dict[str, Any]:
        """What is there afterwards, without what a fault may change: tokens, times and interruptions."""
        store, run = self.bench.store, f"{self.name}-run"
        done, fired = await store.run(run), await store.run(f"{self.name}-fired")
        kinds = await self.bench.kinds(run)
        return {
            "states": (done.state, done.metrics, done.attempt, fired.state, fired.reason),
            "stages": [(each.name, each.status, each.result) for each in await store.stages(run)],
            "session": (await store.session(run)) is not None,
            "files": [each.name for each in await store.artifacts(run)],
            "called": {kind: len(keys) for kind, keys in self.called.items()},
            "events": {kind: kinds.count(kind) for kind in sorted(set(kinds)) if kind not in MAY_REPEAT},
            "schedule": [each.next_at - self.due for each in await store.schedules() if self.name in each.id],
        }


MAY_REPEAT = {"run.started", "run.interrupted", "run.queued"}
"""Of a claim that its daemon never learnt of."""


async def told(bench: Bench, number: int, kind: FaultKind) -> tuple[Story, FailingStore]:
    faulty = FailingStore(bench.store, fault_at(number, kind))
    story = Story(faulty.store, bench, f"{kind}{number}")
    await story.tell()
    return story, faulty


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_at_any_call_changes_nothing_in_the_end(bench: Bench, kind: FaultKind) -> None:
    story, faulty = await told(bench, -1, kind)
    expected, calls = await story.end(), len(faulty.calls)
    assert calls >= 25
    assert expected["called"] == {"train": 1, "ask": 1}
    assert [name for name, _, _ in expected["stages"]] == ["train", "ask"]
    for number in range(calls):
        story, faulty = await told(bench, number, kind)
        assert faulty.faults == 1
        assert await story.end() == expected, f"fault {kind} at {faulty.calls[number]}"
