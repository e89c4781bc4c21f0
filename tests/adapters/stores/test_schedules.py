"""Schedules, and forgetting what is old."""

from __future__ import annotations

import asyncio

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import new_schedule, stage

from crucible.messages.errors import ConflictError, InputError, NotFoundError
from crucible.messages.queue import Settlement


async def test_a_schedule_is_created_and_replaced(bench: Bench) -> None:
    made = await bench.store.put_schedule(new_schedule("b", owner="ann", next_at=bench.now))
    assert (made.id, made.owner, made.next_at, made.enabled) == ("b", "ann", bench.now, True)
    await bench.store.put_schedule(new_schedule("a"))
    later = await bench.store.put_schedule(new_schedule("b", cron="5 5 * * *", next_at=bench.now + 5))
    assert (later.cron, later.owner, later.next_at) == ("5 5 * * *", "local", bench.now + 5)
    assert [each.id for each in await bench.store.schedules()] == ["a", "b"]
    with pytest.raises(InputError, match="cron"):
        await bench.store.put_schedule(new_schedule("c", cron="\0"))


async def test_only_schedules_whose_time_has_come_are_due(bench: Bench) -> None:
    await bench.store.put_schedule(new_schedule("now", next_at=bench.now))
    await bench.store.put_schedule(new_schedule("later", next_at=bench.now + 10))
    assert [(each.id, now) for each, now in await bench.store.due_schedules()] == [("now", bench.now)]


async def test_a_schedule_submits_its_run(bench: Bench) -> None:
    given = new_schedule(
        "n",
        spec=b'{"n":1}',
        owner="ann",
        priority=3,
        deadline_s=9.0,
        max_attempts=2,
        labels={"a": "b"},
        next_at=bench.now,
    )
    await bench.store.put_schedule(given)
    run = await bench.store.fire("n", due_at=bench.now, next_at=bench.now + 60, run_id="r1")
    assert run is not None
    assert run == await bench.store.run("r1")
    assert (run.state, run.owner, run.priority, run.schedule_id) == ("queued", "ann", 3, "n")
    assert (run.deadline_s, run.max_attempts, run.labels) == (9.0, 2, {"a": "b"})
    assert await bench.store.spec("r1") == b'{"n":1}'
    assert await bench.store.due_schedules() == []
    (schedule,) = await bench.store.schedules()
    assert (schedule.next_at, schedule.last_run_id) == (bench.now + 60, "r1")
    assert await bench.kinds() == ["run.submitted"]


async def test_a_paused_schedule_is_not_due_and_does_not_fire(bench: Bench) -> None:
    due = bench.now
    await bench.store.put_schedule(new_schedule("n", next_at=due))
    paused = await bench.store.pause_schedule("n")
    assert (paused.enabled, paused.next_at) == (False, due)
    assert await bench.store.pause_schedule("n") == paused
    assert await bench.store.due_schedules() == []
    assert await bench.store.fire("n", due_at=due, next_at=due + 60, run_id="r1") is None
    assert (await bench.store.runs()).runs == ()


async def test_a_resumed_schedule_goes_on_from_the_time_that_is_given(bench: Bench) -> None:
    await bench.store.put_schedule(new_schedule("n", next_at=bench.now))
    assert (await bench.store.resume_schedule("n", next_at=1.0)).next_at == bench.now  # it was not paused
    await bench.store.pause_schedule("n")
    resumed = await bench.store.resume_schedule("n", next_at=bench.now + 9)
    assert (resumed.enabled, resumed.next_at) == (True, bench.now + 9)
    assert await bench.store.schedules() == [resumed]
    for verb in (bench.store.pause_schedule("x"), bench.store.resume_schedule("x", next_at=1.0)):
        with pytest.raises(NotFoundError):
            await verb


async def test_a_paused_schedule_that_is_put_again_goes_on(bench: Bench) -> None:
    await bench.store.put_schedule(new_schedule("n", next_at=bench.now))
    await bench.store.pause_schedule("n")
    assert (await bench.store.put_schedule(new_schedule("n", next_at=bench.now + 1))).enabled


async def test_of_two_daemons_one_fires(bench: Bench) -> None:
    due = bench.now
    await bench.store.put_schedule(new_schedule("n", next_at=due))
    answers = await asyncio.gather(
        *(
            store.fire("n", due_at=due, next_at=due + 60, run_id=f"r{number}")
            for number, store in enumerate([bench.store, bench.another] * 3)
        )
    )
    assert sum(answer is not None for answer in answers) == 1
    assert len((await bench.store.runs()).runs) == 1


async def test_firing_can_be_repeated(bench: Bench) -> None:
    due = bench.now
    await bench.store.put_schedule(new_schedule("n", next_at=due))
    once = await bench.store.fire("n", due_at=due, next_at=due + 60, run_id="r1")
    assert await bench.store.fire("n", due_at=due, next_at=due + 60, run_id="r1") == once
    assert await bench.store.fire("n", due_at=due, next_at=due + 60, run_id="r2") is None
    assert len((await bench.store.runs()).runs) == 1


async def test_firing_under_an_id_that_is_taken_is_a_conflict(bench: Bench) -> None:
    await bench.queued("r1")
    await bench.store.put_schedule(new_schedule("n", next_at=bench.now))
    with pytest.raises(ConflictError):
        await bench.store.fire("n", due_at=bench.now, next_at=bench.now + 60, run_id="r1")
    assert len(await bench.store.due_schedules()) == 1


async def test_a_dropped_schedule_leaves_what_it_submitted(bench: Bench) -> None:
    await bench.store.put_schedule(new_schedule("n", next_at=bench.now))
    await bench.store.fire("n", due_at=bench.now, next_at=bench.now + 60, run_id="r1")
    await bench.store.drop_schedule("n")
    assert await bench.store.schedules() == []
    assert (await bench.store.run("r1")).schedule_id == "n"
    with pytest.raises(NotFoundError):
        await bench.store.drop_schedule("n")
    with pytest.raises(NotFoundError):
        await bench.store.fire("n", due_at=bench.now, next_at=bench.now, run_id="r2")


async def test_a_replaced_schedule_remembers_its_last_run(bench: Bench) -> None:
    await bench.store.put_schedule(new_schedule("n", next_at=bench.now))
    await bench.store.fire("n", due_at=bench.now, next_at=bench.now + 60, run_id="r1")
    assert (await bench.store.put_schedule(new_schedule("n"))).last_run_id == "r1"


async def test_runs_that_ended_long_ago_are_forgotten(bench: Bench) -> None:
    lease = await bench.leased("old", key="k")
    await bench.store.record_stage(stage("old", lease.token))
    await bench.store.settle("old", lease.token, Settlement(state="completed"))
    await bench.queued("waiting")
    await bench.advance(100.0)
    await bench.queued("young")
    await bench.store.cancel("young", "no")
    seen = (await bench.store.events())[-1].seq
    assert await bench.store.prune(ended_before_s=50.0) == ["old"]
    assert [run.id for run in (await bench.store.runs()).runs] == ["young", "waiting"]
    assert await bench.store.stages("old") == []
    assert await bench.store.events(run_id="old") == []
    assert await bench.store.prune(ended_before_s=50.0) == []
    assert (await bench.queued("old", key="k")).state == "queued"
    assert (await bench.store.events(after=seen))[-1].run_id == "old"


async def test_pruning_has_a_limit_and_begins_with_the_oldest(bench: Bench) -> None:
    for number in range(4):
        await bench.queued(f"r{number}")
    for name in ("r2", "r0", "r3", "r1"):
        await bench.store.cancel(name, "no")
        await bench.advance(1.0)
    assert await bench.store.prune(ended_before_s=0.0, limit=3) == ["r2", "r0", "r3"]
    assert await bench.store.prune(ended_before_s=0.0, limit=3) == ["r1"]


async def test_numbers_of_events_are_not_used_again(bench: Bench) -> None:
    await bench.queued("r1")
    await bench.store.cancel("r1", "no")
    last = (await bench.store.events())[-1].seq
    await bench.advance(1.0)
    assert await bench.store.prune(ended_before_s=0.0) == ["r1"]
    await bench.queued("r2")
    assert (await bench.store.events())[0].seq > last
