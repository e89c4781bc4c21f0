import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.daemon_world import SETTINGS, DaemonUnderTest, World
from tests.support.faulty_store import FaultyStore
from tests.support.queue import START, new_schedule
from tests.support.queue import daemon as daemon_record
from tests.support.simulated_loop import simulate

from crucible.actors.daemon.supervisor import Reload
from crucible.adapters.stores import MemoryStore
from crucible.messages.control import Progress
from crucible.messages.errors import InputError
from crucible.messages.queue import NewRun, QueuedRun

Scenario = Callable[[World], Awaitable[None]]


@pytest.fixture
def living(tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario in a world on simulated time."""

    async def live(scenario: Scenario) -> None:
        loop = asyncio.get_running_loop()
        await scenario(World(MemoryStore(clock=lambda: START + loop.time()), tmp_path, random.Random(1)))

    return lambda scenario: simulate(live(scenario))


def no_fault(_name: str, _number: int) -> None:
    return None


async def submitted(world: World, **fields: Any) -> NewRun:
    run = world.new_run(**fields)
    await world.store.submit(run)
    return run


async def state(world: World, run: NewRun) -> QueuedRun:
    found: QueuedRun = await world.store.run(run.id)
    return found


async def told_of_stages(world: World, run: NewRun) -> list[str]:
    events = await world.store.events(run_id=run.id)
    return [f"{each.kind} {each.body['stage']}" for each in events if each.kind.startswith("stage.")]


async def begun(world: World, run: NewRun) -> None:
    while (await state(world, run)).state != "running":
        await asyncio.sleep(0.05)


async def end(daemon: DaemonUnderTest) -> None:
    await daemon.stop()
    assert not daemon.crashes


def test_a_submitted_run_is_claimed_and_completed(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon().start()
        run = await submitted(world, rows=5, train=True)
        await world.until("completed")
        await end(daemon)
        assert len(world.report(run.id)) == 5
        stages = await world.store.stages(run.id)
        assert [stage.name for stage in stages] == ["data_load", "backend_call", "report"]
        kinds = [event.kind for event in await world.store.events(run_id=run.id)]
        assert kinds[:2] == ["run.submitted", "run.started"]
        assert kinds[-1] == "run.completed"
        assert kinds.count("stage.completed") == 3
        session = await world.store.session(run.id)
        assert (session.last_step, session.checkpoint) == (6, f"{run.id}/epoch-2")
        assert (await state(world, run)).metrics == {"seconds": (await state(world, run)).metrics["seconds"]}

    living(scenario)


def test_a_run_begins_soon_after_its_submission(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon(settings=msgspec.structs.replace(SETTINGS, poll_s=500.0)).start()
        await asyncio.sleep(7)
        run = await submitted(world)
        await begun(world, run)
        assert asyncio.get_running_loop().time() < 7.2
        await world.until("completed")
        await end(daemon)

    living(scenario)


def test_no_more_runs_are_at_work_than_allowed_and_the_rest_follow_by_priority_and_age(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        runs = [await submitted(world, priority=priority) for priority in (0, 0, 5, 0)]
        daemon = world.daemon(settings=msgspec.structs.replace(SETTINGS, max_running=1)).start()
        most = 0
        while len(daemon.settled) < 4:
            most = max(most, len(daemon.feed.runs()))
            await asyncio.sleep(0.1)
        await end(daemon)
        assert most == 1
        assert [run.id for run in daemon.settled] == [runs[n].id for n in (2, 0, 1, 3)]

    living(scenario)


def test_one_owner_does_not_take_all_places(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            await submitted(world, owner="ann")
        late = await submitted(world, owner="bob")
        settings = msgspec.structs.replace(SETTINGS, max_running=2, max_running_by_owner=1)
        daemon = world.daemon(settings=settings).start()
        await begun(world, late)
        by_owner = [(await world.store.run(run_id)).owner for run_id in daemon.feed.runs()]
        assert sorted(by_owner) == ["ann", "bob"]
        await world.until("completed")
        await end(daemon)

    living(scenario)


def test_a_cancelled_run_ends_at_once_when_the_daemon_is_woken(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        world.pace = 100.0
        daemon = world.daemon().start()
        run = await submitted(world)
        await begun(world, run)
        await world.store.cancel(run.id, "not wanted")
        daemon.feed.wake()
        await asyncio.sleep(1.0)
        found = await state(world, run)
        assert (found.state, found.reason) == ("cancelled", "not wanted")
        await end(daemon)

    living(scenario)


def test_a_pause_in_training_saves_a_checkpoint_and_resume_goes_on_from_it(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon().start()
        run = await submitted(world, rows=8, train=True)
        while not world.steps[run.id]:
            await asyncio.sleep(0.01)
        await world.store.pause(run.id)
        daemon.feed.wake()
        await world.until("paused")
        made = list(world.steps[run.id])
        session = await world.store.session(run.id)
        assert session.last_step == made[-1]
        await asyncio.sleep(100)
        assert (await state(world, run)).state == "paused"
        await world.store.resume(run.id)
        await world.until("completed")
        assert world.steps[run.id] == list(range(1, 9)), "a step was made twice or left out"
        found = await state(world, run)
        assert (found.attempt, found.interruptions) == (1, 0)
        await end(daemon)

    living(scenario)


def test_a_run_goes_on_where_a_dead_daemon_left_it(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        run = await submitted(world, rows=8, train=True)
        first = world.daemon(store=FaultyStore(world.store, no_fault)).start()
        while len(world.journals[run.id]) < 3:
            await asyncio.sleep(0.01)
        await first.kill()
        assert (await state(world, run)).state == "running"
        paid = dict(world.asked)
        second = world.daemon().start()
        await world.until("completed")
        await end(second)
        assert world.steps[run.id] == list(range(1, 9))
        again = [key for key, count in world.asked.items() if count > 1]
        assert all(key in paid for key in again)
        assert len(again) <= 3, "more than were in flight were asked again"
        result = (await world.store.stages(run.id))[1]
        assert b'"replayed":3' in result.result or b'"replayed":4' in result.result
        assert [event.kind for event in await world.store.events(run_id=run.id)].count("run.interrupted") == 1
        told = await told_of_stages(world, run)
        assert told.count("stage.started data_load") == 2
        assert told.count("stage.completed data_load") == 1
        assert told.count("stage.repeated data_load") == 1, "it ran again, and its record stands"

    living(scenario)


def test_stages_that_are_done_do_not_run_again(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        broken = [True]
        world.breaks = lambda: bool(broken) and broken.pop()
        daemon = world.daemon().start()
        run = await submitted(world, rows=4, train=True)
        await world.until("completed")
        await end(daemon)
        assert (await state(world, run)).attempt == 2
        assert world.steps[run.id] == [1, 2, 3, 4]
        assert set(world.asked.values()) == {1}
        stages = await world.store.stages(run.id)
        assert [(stage.name, stage.attempt) for stage in stages] == [
            ("data_load", 1),
            ("backend_call", 1),
            ("report", 2),
        ]
        assert len(world.report(run.id)) == 4
        told = await told_of_stages(world, run)
        assert told[-4:] == [
            "stage.reused data_load",
            "stage.reused backend_call",
            "stage.started report",
            "stage.completed report",
        ]
        assert told.count("stage.started backend_call") == 1, "it did not run again"

    living(scenario)


def test_a_run_whose_end_the_store_did_not_hear_of_is_not_run_again(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        store = FaultyStore(world.store, lambda name, _number: "hang" if name == "settle" else None)
        run = await submitted(world)
        first = world.daemon(store=store).start()
        while not (world.disk / run.id / "run.json").exists():
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        await first.kill()
        asked = world.asked.total()
        second = world.daemon().start()
        await world.until("completed")
        await end(second)
        assert world.asked.total() == asked
        assert world.planned[run.id] == 2
        told = await told_of_stages(world, run)
        assert told[-3:] == [f"stage.reused {name}" for name in ("data_load", "backend_call", "report")]

    living(scenario)


def test_a_failing_run_is_retried_with_waits_and_parked_in_the_end(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        world.breaks = lambda: True
        daemon = world.daemon().start()
        run = await submitted(world, max_attempts=3)
        await world.until("parked")
        found = await state(world, run)
        assert found.attempt == 3
        assert found.reason == "all 3 attempts failed: report: BrokenError: planted (daemon_world.py:210)"[
            :60
        ] or (
            found.reason is not None and found.reason.startswith("all 3 attempts failed: report: BrokenError")
        )
        events = [event for event in await world.store.events(run_id=run.id) if event.kind == "run.started"]
        waits = [after.at - before.at for before, after in pairwise(events)]
        assert len(waits) == 2
        world.breaks = lambda: False
        await world.store.retry(run.id)
        await world.until("completed")
        await end(daemon)

    living(scenario)


def test_input_that_cannot_be_used_fails_the_run_at_once(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon()

        async def refuse(_job: Any) -> Any:
            raise InputError("rows.jsonl:3: prompt: missing")

        daemon.parts.factory = refuse
        daemon.start()
        run = await submitted(world)
        await world.until("failed")
        found = await state(world, run)
        assert (found.reason, found.attempt) == ("rows.jsonl:3: prompt: missing", 1)
        await end(daemon)

    living(scenario)


def test_a_bug_in_planning_is_a_failed_attempt_and_not_the_end_of_the_daemon(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        daemon, plan, broken = world.daemon(), world.plan, [True]

        async def sometimes(job: Any) -> Any:
            if broken:
                broken.clear()
                raise KeyError("planted")
            return await plan(job)

        daemon.parts.factory = sometimes
        daemon.start()
        run = await submitted(world)
        await world.until("completed")
        assert (await state(world, run)).attempt == 2
        await end(daemon)

    living(scenario)


def test_the_deadline_holds_over_all_attempts(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        world.pace = 1000.0
        daemon = world.daemon().start()
        run = await submitted(world, deadline_s=60.0)
        await asyncio.sleep(20)
        await world.store.pause(run.id)
        daemon.feed.wake()
        await world.until("paused")
        await asyncio.sleep(500)
        await world.store.resume(run.id)
        await world.until("failed")
        found = await state(world, run)
        assert found.reason == "the deadline of 60 s over all attempts has passed"
        assert found.ran_s == pytest.approx(60.0, abs=1.5)
        await end(daemon)

    living(scenario)


def test_a_run_that_takes_its_daemon_down_again_and_again_is_parked(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        world.pace = 1000.0
        run = await submitted(world)
        settings = msgspec.structs.replace(SETTINGS, max_interruptions=3)
        for _ in range(3):
            daemon = world.daemon(store=FaultyStore(world.store, no_fault), settings=settings).start()
            await begun(world, run)
            await asyncio.sleep(1)
            await daemon.kill()
        await end_of_life(world, settings)
        found = await state(world, run)
        assert found.state == "parked"
        assert found.reason is not None
        assert "3 times in a row" in found.reason

    async def end_of_life(world: World, settings: Any) -> None:
        daemon = world.daemon(settings=settings).start()
        await asyncio.sleep(1)
        await end(daemon)

    living(scenario)


def test_a_stopping_daemon_hands_back_what_it_has_and_it_does_not_count(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        first = world.daemon().start()
        run = await submitted(world, rows=8, train=True)
        while len(world.steps[run.id]) < 3:
            await asyncio.sleep(0.01)
        await end(first)
        found = await state(world, run)
        assert (found.state, found.attempt, found.reason) == ("queued", 0, "the daemon stops")
        assert not await world.store.daemons()
        second = world.daemon().start()
        await world.until("completed")
        assert world.steps[run.id] == list(range(1, 9))
        await end(second)

    living(scenario)


def test_a_daemon_that_is_cut_off_gives_its_run_up_before_another_takes_it(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        world.pace = 30.0
        store = FaultyStore(world.store, no_fault)
        first = world.daemon("d1", store=store).start()
        run = await submitted(world, rows=6)
        await begun(world, run)
        store.cut_off = True
        second = world.daemon("d2").start()
        await asyncio.sleep(26)
        assert not first.feed.runs(), "it works on after it should have given up"
        await world.until("completed", within_s=36_000)
        assert world.tokens[run.id] == 2
        store.cut_off = False
        await end(second)
        await first.stop(within_s=600)
        assert not first.crashes

    living(scenario)


def test_a_daemon_whose_id_is_taken_stops(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        world.pace = 1000.0
        daemon = world.daemon("d1").start()
        run = await submitted(world)
        await begun(world, run)
        await world.store.register(daemon_record("d1", "another boot"), max_interruptions=9)
        await asyncio.wait_for(daemon.stopped.wait(), 30)
        assert (await state(world, run)).state == "queued"
        await daemon.system.stop()
        assert not daemon.crashes

    living(scenario)


def test_schedules_are_fired_once_each_time_and_missed_times_are_made_up_for_once(
    living: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        spec = msgspec.json.encode({"rows": 1, "train": False})
        await world.store.put_schedule(new_schedule(cron="*/5 * * * *", next_at=START, spec=spec))
        await asyncio.sleep(3 * 3600)
        daemons = [world.daemon(name).start() for name in ("d1", "d2")]
        await asyncio.sleep(900)
        runs = (await world.store.runs(limit=100)).runs
        assert len(runs) == 1 + 3
        await world.until("completed")
        assert len({run.id for run in runs}) == len(runs)
        for daemon in daemons:
            await end(daemon)

    living(scenario)


def test_old_runs_are_forgotten_with_their_folders(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon(settings=msgspec.structs.replace(SETTINGS, keep_days=1.0))
        deleted = list[str]()
        daemon.parts.delete_folder = deleted.append
        daemon.start()
        run = await submitted(world)
        await world.until("completed")
        await asyncio.sleep(86_400 / 2)
        assert deleted == []
        await asyncio.sleep(86_400)
        assert deleted == [run.id]
        assert not (await world.store.runs()).runs
        await end(daemon)

    living(scenario)


def test_settings_are_taken_over_while_it_runs(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        world.pace = 100.0
        daemon = world.daemon(settings=msgspec.structs.replace(SETTINGS, max_running=1)).start()
        for _ in range(3):
            await submitted(world)
        await asyncio.sleep(1)
        assert len(daemon.feed.runs()) == 1
        await daemon.ref.tell(Reload(msgspec.structs.replace(SETTINGS, max_running=3)))
        await asyncio.sleep(1)
        assert len(daemon.feed.runs()) == 3
        assert daemon.feed.status()["capacity"] == 3
        await world.until("completed", within_s=36_000)
        await end(daemon)

    living(scenario)


def test_what_a_run_does_can_be_watched(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon = world.daemon().start()
        seen = list[str]()

        async def watch() -> None:
            async with daemon.feed.subscribe() as events:
                async for event in events:
                    seen.append(event.kind)
                    if event.kind == "run.completed":
                        return

        watching = asyncio.create_task(watch())
        run = await submitted(world)
        while not any(
            stage.state == "running" for each in daemon.feed.runs().values() for stage in each.stages
        ):
            await asyncio.sleep(0.05)
        (view,) = daemon.feed.runs().values()
        assert view.run_id == run.id
        assert [stage.name for stage in view.stages] == ["data_load", "backend_call", "report"]
        assert [stage.mailbox_capacity for stage in view.stages] == [8, 8, 8]
        names = [actor.name for actor in daemon.feed.actors().children[0].children]
        assert names[:4] == ["leases", "rescuer", "scheduler", "pruner"]
        assert names[4:] == [f"{run.id}:1"]
        await watching
        assert seen[0] == "run.running"
        assert seen.count("stage.completed") == 3
        assert "progress" in seen
        await end(daemon)

    living(scenario)


def test_events_reach_whoever_embeds_the_daemon(living: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        daemon, kinds = world.daemon(), list[str]()
        daemon.parts.on_event = lambda _run, event: (
            None if isinstance(event, Progress) else kinds.append(type(event).__name__)
        )
        daemon.start()
        await submitted(world)
        await world.until("completed")
        await end(daemon)
        assert kinds[0] == "RunStarted"
        assert kinds.count("StageCompleted") == 3

    living(scenario)
