"""One seeded life of a queue: daemons that die, stall and come back, a store and a backend that fail, people
who cancel, pause and resume. ``live_through`` raises when a promise is broken.

Everything is drawn from the seed. Faults end after a while; then everything must come to its end.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

from tests.support.daemon_world import DaemonUnderTest, World
from tests.support.faulty_store import Fault, FaultyStore
from tests.support.queue import START
from tests.support.simulated_loop import simulate

from crucible.adapters.stores import MemoryStore
from crucible.messages.errors import ConflictError

__all__ = ["live_through"]

TROUBLE_S = 120.0
ENDED = ("completed", "cancelled", "failed", "parked")


def live_through(seed: int) -> None:
    """One seed."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as disk:
        simulate(_Life(seed, Path(disk)).live())


class _Life:
    def __init__(self, seed: int, disk: Path) -> None:
        self.rng = random.Random(seed)
        self.disk = disk
        self.trouble = True
        self.cancelled: set[str] = set()
        self.store_faults = self.rng.choice((0.0, 0.02, 0.1))
        self.backend_faults = self.rng.choice((0.0, 0.05, 0.3))
        self.bugs = self.rng.choice((0.0, 0.3))

    def store_fault(self, _name: str, _number: int) -> Fault | None:
        if not self.trouble or self.rng.random() >= self.store_faults:
            return None
        return self.rng.choice(("before", "after", "after", "slow"))

    def backend_fault(self) -> str | None:
        if not self.trouble or self.rng.random() >= self.backend_faults:
            return None
        return self.rng.choice(("before", "after"))

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        store = MemoryStore(clock=lambda: START + loop.time())
        world = self.world = World(store, self.disk, self.rng, pace=self.rng.choice((0.3, 3.0, 10.0)))
        world.backend_fault = self.backend_fault
        world.breaks = lambda: self.trouble and self.rng.random() < self.bugs
        self.runs = [
            world.new_run(
                rows=self.rng.randint(1, 8),
                train=self.rng.random() < 0.5,
                priority=self.rng.randint(0, 2),
                owner=self.rng.choice(("ann", "bob")),
                max_attempts=100,
            )
            for _ in range(self.rng.randint(1, 4))
        ]
        daemons = [self._daemon(f"d{number}") for number in range(self.rng.randint(1, 2))]
        for run in self.runs:
            await store.submit(run)
        while loop.time() < TROUBLE_S:
            await asyncio.sleep(self.rng.uniform(1.0, 15.0))
            await self._happen(daemons)
        await self._heal(daemons)
        self._check()
        await self._check_records()

    def _daemon(self, name: str) -> DaemonUnderTest:
        store = FaultyStore(self.world.store, self.store_fault, slow_s=self.rng.choice((1.0, 12.0)))
        return self.world.daemon(name, store=store).start()

    async def _happen(self, daemons: list[DaemonUnderTest]) -> None:
        at = self.rng.randrange(len(daemons))
        daemon, what = daemons[at], self.rng.random()
        if what < 0.2:
            await daemon.kill()
            daemons[at] = self._daemon(daemon.parts.record.id)
        elif what < 0.3 and not daemon.store.cut_off:
            await daemon.stop(within_s=600)
            daemons[at] = self._daemon(daemon.parts.record.id)
        elif what < 0.45:
            daemon.store.cut_off = not daemon.store.cut_off
        elif what < 0.75:
            await self._ask_for()

    async def _ask_for(self) -> None:
        run, store = self.rng.choice(self.runs), self.world.store
        what = self.rng.random()
        try:
            if what < 0.4:
                await store.pause(run.id)
            elif what < 0.9:
                await store.resume(run.id)
            else:
                ended = await store.cancel(run.id, "not wanted")
                if ended.state != "completed":
                    self.cancelled.add(run.id)
        except ConflictError:
            pass

    async def _heal(self, daemons: list[DaemonUnderTest]) -> None:
        """No more faults, and nobody keeps a run paused: all must come to its end."""
        self.trouble = False
        for at, daemon in enumerate(daemons):
            if daemon.store.cut_off:
                await daemon.kill()
                daemons[at] = self._daemon(daemon.parts.record.id)
        loop = asyncio.get_running_loop()
        late = loop.time() + 3600
        while True:
            states = {run.id: (await self.world.store.run(run.id)).state for run in self.runs}
            if all(state in ENDED for state in states.values()):
                break
            assert loop.time() < late, f"nothing moves any more: {states}"
            for run_id in states:
                try:
                    await self.world.store.resume(run_id)
                except ConflictError:
                    continue
            await asyncio.sleep(5.0)
        for daemon in daemons:
            await daemon.stop()
            assert not daemon.crashes, daemon.crashes

    def _check(self) -> None:
        world = self.world
        for run in self.runs:
            rows = len(world.keys[run.id])
            state = world.store._entries[run.id].run
            if state.state == "cancelled":
                assert run.id in self.cancelled, f"{run.id} was cancelled by nobody: {state.reason}"
                continue
            assert state.state == "completed", f"{run.id} is {state.state}: {state.reason}"
            report = world.report(run.id)
            assert len(report) == rows, f"{run.id}: {len(report)} lines, {rows} keys were asked"
            assert all(" answer to " in line for line in report), report

    async def _check_records(self) -> None:
        store = self.world.store
        for run in self.runs:
            stages = await store.stages(run.id)
            completed = [stage.name for stage in stages if stage.status == "completed"]
            assert len(completed) == len(set(completed)), f"{run.id}: recorded twice: {completed}"
            if (await store.run(run.id)).state == "completed":
                assert set(completed) == {"data_load", "backend_call", "report"}, completed
        tokens = [event.seq for event in await store.events(limit=100_000)]
        assert tokens == sorted(tokens)
