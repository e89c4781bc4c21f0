import asyncio
import random
from pathlib import Path

import pytest
from tests.support.daemon_world import World
from tests.support.faulty_store import Fault, FaultyStore
from tests.support.queue import START
from tests.support.simulated_loop import simulate

from crucible.adapters.stores import MemoryStore


async def life(
    disk: Path, *, store_fault: tuple[int, Fault] | None = None, backend_fault: tuple[int, str] | None = None
) -> tuple[int, int]:
    """One run with training from submission to report; how many calls the store and the backend got."""
    loop, asked = asyncio.get_running_loop(), 0
    world = World(MemoryStore(clock=lambda: START + loop.time()), disk, random.Random(1))

    def decide(_name: str, number: int) -> Fault | None:
        return store_fault[1] if store_fault is not None and store_fault[0] == number else None

    def fail() -> str | None:
        nonlocal asked
        asked += 1
        return backend_fault[1] if backend_fault is not None and backend_fault[0] == asked else None

    world.backend_fault = fail
    store = FaultyStore(world.store, decide)
    run = world.new_run(rows=4, train=True)
    daemon = world.daemon(store=store).start()
    await world.store.submit(run)
    await world.until("completed", within_s=300)
    calls = store.calls
    await daemon.stop()
    assert not daemon.crashes
    assert len(world.report(run.id)) == 4
    found = await world.store.run(run.id)
    assert (found.attempt, found.interruptions) == (1, 0), found
    stages = [stage.name for stage in await world.store.stages(run.id)]
    assert sorted(stages) == ["backend_call", "data_load", "report"]
    assert [effect.state for effect in world.store._effects.values()] == ["acknowledged"] * 2
    assert set(world.paid.values()) <= ({1, 2} if backend_fault is not None else {1})
    return calls, asked


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    return simulate(life(tmp_path_factory.mktemp("disk")))


@pytest.mark.parametrize("fault", ["before", "after", "slow"])
def test_a_run_survives_a_fault_at_any_call_to_the_store(
    tmp_path: Path, calls: tuple[int, int], fault: Fault
) -> None:
    in_all, _ = calls
    assert in_all > 30
    for number in range(1, in_all + 1):
        disk = tmp_path / str(number)
        disk.mkdir()
        try:
            simulate(life(disk, store_fault=(number, fault)))
        except BaseException as error:
            error.add_note(f"call {number} of {in_all}")
            raise


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_run_survives_a_fault_at_any_call_to_the_backend(
    tmp_path: Path, calls: tuple[int, int], fault: str
) -> None:
    _, in_all = calls
    assert in_all == 4
    for number in range(1, in_all + 1):
        disk = tmp_path / str(number)
        disk.mkdir()
        simulate(life(disk, backend_fault=(number, fault)))
