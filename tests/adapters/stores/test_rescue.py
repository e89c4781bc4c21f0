"""Daemons that start, stop, die and stall, and what becomes of their runs."""

from __future__ import annotations

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import daemon, stage

from crucible.messages.errors import LeaseLostError
from crucible.messages.queue import Settlement


async def rescued(bench: Bench) -> list[tuple[str, str]]:
    return [(run.id, run.state) for run in await bench.store.rescue(max_interruptions=3)]


async def test_a_run_whose_lease_has_run_out_goes_back_into_the_queue(bench: Bench) -> None:
    lease = await bench.leased()
    assert await rescued(bench) == []
    await bench.advance(40.0)
    assert await rescued(bench) == [("r1", "queued")]
    run = await bench.store.run("r1")
    assert (run.attempt, run.interruptions, run.daemon, run.ran_s) == (0, 1, None, 30.0)
    assert "d1" in (run.reason or "")
    assert (await bench.kinds())[-1] == "run.interrupted"
    with pytest.raises(LeaseLostError):
        await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    assert await rescued(bench) == []


async def test_a_run_that_takes_daemons_down_is_parked(bench: Bench) -> None:
    await bench.leased()
    for _ in range(2):
        await bench.advance(30.0)
        assert await rescued(bench) == [("r1", "queued")]
        await bench.store.claim("d1", limit=1, ttl_s=30.0)
    await bench.advance(30.0)
    assert await rescued(bench) == [("r1", "parked")]
    run = await bench.store.run("r1")
    assert run.ended_at == bench.now
    assert "3 times in a row" in (run.reason or "")
    assert await bench.store.claim("d1", limit=1, ttl_s=30.0) == []
    assert (await bench.store.retry("r1")).interruptions == 0


async def test_deaths_count_only_in_a_row(bench: Bench) -> None:
    await bench.leased()
    for _ in range(4):
        await bench.advance(30.0)
        assert await rescued(bench) == [("r1", "queued")]
        (lease,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
        await bench.store.settle("r1", lease.token, Settlement(state="queued", counted=False))
        await bench.store.claim("d1", limit=1, ttl_s=30.0)


async def test_a_new_stage_ends_the_row(bench: Bench) -> None:
    await bench.leased()
    for number in range(4):
        await bench.advance(30.0)
        assert await rescued(bench) == [("r1", "queued")]
        (lease,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
        await bench.store.record_stage(stage("r1", lease.token, f"s{number}"))
        assert (await bench.store.run("r1")).interruptions == 0


async def test_a_run_that_was_to_be_cancelled_is_cancelled(bench: Bench) -> None:
    await bench.leased()
    await bench.store.cancel("r1", "enough")
    await bench.advance(30.0)
    assert await rescued(bench) == [("r1", "cancelled")]
    assert (await bench.store.run("r1")).reason == "enough"


async def test_a_run_that_was_to_be_cancelled_is_not_parked(bench: Bench) -> None:
    await bench.leased()
    await bench.store.cancel("r1", "enough")
    await bench.advance(30.0)
    assert [run.state for run in await bench.store.rescue(max_interruptions=1)] == ["cancelled"]


async def test_a_run_that_was_to_be_paused_is_paused(bench: Bench) -> None:
    await bench.leased()
    await bench.store.pause("r1")
    await bench.advance(30.0)
    assert await rescued(bench) == [("r1", "paused")]
    assert (await bench.store.resume("r1")).state == "queued"


async def test_a_daemon_that_starts_again_takes_over_at_once(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.advance(5.0)
    taken = await bench.store.register(daemon(boot="b2"), max_interruptions=3)
    assert [(run.id, run.state, run.interruptions) for run in taken] == [("r1", "queued", 1)]
    assert taken[0].ran_s == 5.0
    with pytest.raises(LeaseLostError):
        await bench.store.record_event("r1", lease.token, "log", {})


async def test_a_repeated_registration_keeps_the_leases(bench: Bench) -> None:
    lease = await bench.leased()
    assert await bench.store.register(daemon(), max_interruptions=3) == []
    await bench.store.record_event("r1", lease.token, "log", {})


async def test_the_runs_of_another_daemon_are_left_alone(bench: Bench) -> None:
    await bench.leased()
    assert await bench.store.register(daemon("d2", "b9"), max_interruptions=3) == []
    assert (await bench.store.run("r1")).state == "running"


async def test_daemons_are_listed_the_latest_heard_of_first(bench: Bench) -> None:
    await bench.store.register(daemon("d1"), max_interruptions=3)
    await bench.advance(1.0)
    await bench.store.register(daemon("d2", pid=7), max_interruptions=3)
    assert [(each.id, each.pid, each.heartbeat_at) for each in await bench.store.daemons()] == [
        ("d2", 7, bench.now),
        ("d1", 1, bench.now - 1.0),
    ]
    await bench.advance(1.0)
    assert await bench.store.heartbeat("d1", "b1")
    first = (await bench.store.daemons())[0]
    assert (first.id, first.started_at, first.heartbeat_at) == ("d1", bench.now - 2.0, bench.now)


async def test_a_heartbeat_of_an_old_boot_is_told_so(bench: Bench) -> None:
    await bench.store.register(daemon(), max_interruptions=3)
    await bench.store.register(daemon(boot="b2"), max_interruptions=3)
    assert not await bench.store.heartbeat("d1", "b1")
    assert await bench.store.heartbeat("d1", "b2")
    assert not await bench.store.heartbeat("nobody", "b1")


async def test_a_daemon_that_stopped_is_forgotten(bench: Bench) -> None:
    await bench.store.register(daemon(), max_interruptions=3)
    await bench.store.forget("d1", "b0")
    assert len(await bench.store.daemons()) == 1
    await bench.store.forget("d1", "b1")
    await bench.store.forget("d1", "b1")
    assert await bench.store.daemons() == []
