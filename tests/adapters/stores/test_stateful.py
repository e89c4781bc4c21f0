"""SQLite against the reference in memory: the same calls in any order give the same answers."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.queue import FakeClock, daemon, new_run, new_schedule, stage

from crucible.actors.store import Store
from crucible.adapters.stores import MemoryStore, SqliteStore
from crucible.messages.errors import CrucibleError
from crucible.messages.queue import Effect, RunFilter, Settlement, StoredArtifact, StoredSession

IDS = st.sampled_from([f"r{number}" for number in range(6)])
TOKENS = st.integers(1, 4)
NAMES = st.sampled_from(["a", "b"])
OWNERS = st.sampled_from(["ann", "bob"])
DAEMONS = st.sampled_from(["d1", "d2"])
BOOTS = st.sampled_from(["b1", "b2"])
LIMITS = st.none() | st.integers(0, 4)
STATES = st.sampled_from(["completed", "failed", "cancelled", "parked", "paused", "queued", "running"])


class Twins(RuleBasedStateMachine):
    """Every rule asks both stores and compares what they say, errors included."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.memory: Store = MemoryStore(clock=self.clock)
        self.sqlite: Store = self.runner.run(SqliteStore.open(self.folder, clock=self.clock))

    def teardown(self) -> None:
        self.runner.run(self.sqlite.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def both(self, call: Callable[[Store], Awaitable[Any]]) -> Any:
        async def outcome(store: Store) -> Any:
            try:
                return await call(store)
            except CrucibleError as error:
                return type(error), str(error)

        expected = self.runner.run(outcome(self.memory))
        assert self.runner.run(outcome(self.sqlite)) == expected
        return expected

    @initialize()
    def two_runs(self) -> None:
        for name in ("r0", "r1"):
            self.both(lambda store, name=name: store.submit(new_run(name)))  # type: ignore[misc]

    @rule(
        id_=IDS,
        key=st.none() | st.sampled_from(["k1", "k2"]),
        spec=st.sampled_from([b"{}", b"[]"]),
        owner=OWNERS,
        priority=st.integers(-1, 1),
        wait_s=st.none() | st.sampled_from([-5.0, 10.0]),
        limits=st.tuples(LIMITS, LIMITS),
    )
    def submit(
        self,
        id_: str,
        key: str | None,
        spec: bytes,
        owner: str,
        priority: int,
        wait_s: float | None,
        limits: tuple[int | None, int | None],
    ) -> None:
        run_at = None if wait_s is None else self.clock.now + wait_s
        run = new_run(id_, spec=spec, key=key, owner=owner, priority=priority, run_at=run_at)
        most, by_owner = limits
        self.both(lambda store: store.submit(run, max_queued=most, max_queued_by_owner=by_owner))

    @rule(id_=IDS, verb=st.sampled_from(["pause", "resume", "retry"]))
    def ask(self, id_: str, verb: str) -> None:
        self.both(lambda store: getattr(store, verb)(id_))

    @rule(id_=IDS)
    def cancel(self, id_: str) -> None:
        self.both(lambda store: store.cancel(id_, "because"))

    @rule(who=DAEMONS, limit=st.integers(0, 3), by_owner=LIMITS, ttl_s=st.sampled_from([5.0, 30.0]))
    def claim(self, who: str, limit: int, by_owner: int | None, ttl_s: float) -> None:
        self.both(lambda store: store.claim(who, limit=limit, ttl_s=ttl_s, max_running_by_owner=by_owner))

    @rule(who=DAEMONS, leases=st.dictionaries(IDS, TOKENS, max_size=4))
    def renew(self, who: str, leases: dict[str, int]) -> None:
        self.both(lambda store: store.renew(who, leases, ttl_s=20.0))

    @rule(id_=IDS, token=TOKENS, state=STATES, counted=st.booleans(), delay_s=st.sampled_from([0.0, 8.0]))
    def settle(self, id_: str, token: int, state: Any, counted: bool, delay_s: float) -> None:
        settlement = Settlement(
            state=state, reason="so", counted=counted, delay_s=delay_s, metrics={"m": [1, None]}
        )
        self.both(lambda store: store.settle(id_, token, settlement))

    @rule(seconds=st.sampled_from([1.0, 10.0, 40.0, -15.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(most=st.integers(1, 3))
    def rescue(self, most: int) -> None:
        self.both(lambda store: _sorted(store.rescue(max_interruptions=most)))

    @rule(who=DAEMONS, boot=BOOTS, most=st.integers(1, 3))
    def register(self, who: str, boot: str, most: int) -> None:
        self.both(lambda store: _sorted(store.register(daemon(who, boot), max_interruptions=most)))

    @rule(who=DAEMONS, boot=BOOTS, verb=st.sampled_from(["heartbeat", "forget"]))
    def daemon_says(self, who: str, boot: str, verb: str) -> None:
        self.both(lambda store: getattr(store, verb)(who, boot))

    @rule(id_=IDS, token=TOKENS, name=NAMES, hash_=NAMES, status=st.sampled_from(["completed", "failed"]))
    def record_stage(self, id_: str, token: int, name: str, hash_: str, status: str) -> None:
        record = stage(id_, token, name, input_hash=hash_, status=status, result=status.encode())
        self.both(lambda store: store.record_stage(record, body={"a": 1}))

    @rule(id_=IDS, token=TOKENS, names=st.lists(NAMES, max_size=3))
    def record_more(self, id_: str, token: int, names: list[str]) -> None:
        files = [StoredArtifact(run_id=id_, name=name, media_type="t", bytes=1) for name in names]
        session = StoredSession(run_id=id_, backend="b", remote_id="".join(names))
        self.both(lambda store: store.record_artifacts(id_, token, files))
        self.both(lambda store: store.save_session(token, session))
        self.both(lambda store: store.record_event(id_, token, "note", {"names": names}))

    @rule(id_=IDS, token=TOKENS, key=NAMES, reference=st.none() | NAMES)
    def effects(self, id_: str, token: int, key: str, reference: str | None) -> None:
        effect = Effect(run_id=id_, key=key, stage="train", step=1)
        self.both(lambda store: store.intend(token, effect))
        self.both(lambda store: store.effect(id_, token, key, "sent", remote_ref=reference))

    @rule(name=NAMES, wait_s=st.sampled_from([0.0, 20.0]))
    def put_schedule(self, name: str, wait_s: float) -> None:
        given = new_schedule(name, next_at=self.clock.now + wait_s)
        self.both(lambda store: store.put_schedule(given))

    @rule(name=NAMES, wait_s=st.none() | st.sampled_from([0.0, 20.0]))
    def pause_or_resume_schedule(self, name: str, wait_s: float | None) -> None:
        if wait_s is None:
            self.both(lambda store: store.pause_schedule(name))
        else:
            self.both(lambda store: store.resume_schedule(name, next_at=self.clock.now + wait_s))

    @rule(name=NAMES)
    def drop_schedule(self, name: str) -> None:
        self.both(lambda store: store.drop_schedule(name))

    @rule(id_=IDS)
    def fire_what_is_due(self, id_: str) -> None:
        for schedule, now in self.both(lambda store: store.due_schedules()):
            self.both(
                lambda store, name=schedule.id, due=schedule.next_at, later=now + 30.0: store.fire(  # type: ignore[misc]
                    name, due_at=due, next_at=later, run_id=id_
                )
            )

    @rule(seconds=st.sampled_from([0.0, 30.0]), limit=st.integers(0, 3))
    def prune(self, seconds: float, limit: int) -> None:
        self.both(lambda store: store.prune(ended_before_s=seconds, limit=limit))

    @rule(
        states=st.none() | st.lists(STATES, max_size=2), text=st.none() | st.sampled_from(["R1", "exp", "%"])
    )
    def filtered(self, states: Any, text: str | None) -> None:
        where = RunFilter(states=None if states is None else tuple(states), text=text, owner="ann")
        self.both(lambda store: store.runs(where, limit=2))

    @invariant()
    def everything_is_the_same(self) -> None:
        page = self.both(lambda store: store.runs())
        self.both(lambda store: store.counts())
        self.both(lambda store: store.daemons())
        self.both(lambda store: store.schedules())
        told = self.both(lambda store: _without_numbers(store.events()))
        assert len({run.id for run in page.runs}) == len(page.runs) <= len(told)
        for run in page.runs:
            for read in ("stages", "artifacts", "session", "spec"):
                self.both(lambda store, read=read, id_=run.id: getattr(store, read)(id_))  # type: ignore[misc]


async def _sorted(runs: Awaitable[list[Any]]) -> list[Any]:
    return sorted(await runs, key=lambda run: run.id)


async def _without_numbers(events: Awaitable[list[Any]]) -> list[Any]:
    """What is told in one go by several runs may be told in any order."""
    plain = [msgspec.structs.replace(event, seq=0) for event in await events]
    return sorted(plain, key=lambda event: (event.at, event.run_id))


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
