"""Claiming, renewing and settling: who may work on a run, and how that ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import daemon, stage

from crucible.messages.errors import InputError, LeaseLostError
from crucible.messages.queue import LeaseNews, RunState, Settlement


async def claimed(bench: Bench, limit: int = 10, *, by_owner: int | None = None) -> list[str]:
    leases = await bench.store.claim("d1", limit=limit, ttl_s=30.0, max_running_by_owner=by_owner)
    return [lease.run.id for lease in leases]


async def test_a_claim_leases_a_run(bench: Bench) -> None:
    lease = await bench.leased(spec=b'{"a":1}')
    assert (lease.spec, lease.token, lease.ttl_s) == (b'{"a":1}', 1, 30.0)
    assert lease.run == await bench.store.run("r1")
    run = lease.run
    assert (run.state, run.daemon, run.attempt, run.token) == ("running", "d1", 1, 1)
    assert (run.started_at, run.lease_until) == (bench.now, bench.now + 30.0)
    assert await claimed(bench) == []


async def test_a_higher_priority_goes_first_and_then_the_older(bench: Bench) -> None:
    for name, priority in (("low", -1), ("old", 0), ("young", 0), ("high", 5)):
        await bench.queued(name, priority=priority)
        await bench.advance(1.0)
    assert await claimed(bench, 2) == ["high", "old"]
    assert await claimed(bench, 2) == ["young", "low"]


async def test_a_run_whose_time_has_not_come_is_left(bench: Bench) -> None:
    await bench.queued("later", run_at=bench.now + 60.0, priority=9)
    await bench.queued("now")
    assert await claimed(bench) == ["now"]
    await bench.advance(60.0)
    assert await claimed(bench) == ["later"]


async def test_what_was_due_stays_so_when_the_clock_is_set_back(bench: Bench) -> None:
    await bench.queued("r1")
    await bench.advance(-3600.0)
    assert await claimed(bench) == ["r1"]


async def test_no_owner_gets_more_than_his_quota(bench: Bench) -> None:
    for number in range(4):
        await bench.queued(f"a{number}", owner="ann", priority=1)
    await bench.queued("b0", owner="bob")
    assert await claimed(bench, by_owner=2) == ["a0", "a1", "b0"]
    assert await claimed(bench, by_owner=2) == []
    await bench.store.settle("a0", 1, Settlement(state="completed"))
    assert await claimed(bench, by_owner=2) == ["a2"]


async def test_a_claim_among_some_runs_takes_no_other(bench: Bench) -> None:
    for name, priority in (("theirs", 9), ("mine", 0), ("mine-too", 1)):
        await bench.queued(name, priority=priority)
    among = {"mine", "mine-too", "nobody"}
    leases = await bench.store.claim("d1", limit=9, ttl_s=30.0, max_running_by_owner=9, among=among)
    assert [lease.run.id for lease in leases] == ["mine-too", "mine"]
    assert await bench.store.claim("d1", limit=9, ttl_s=30.0, among=()) == []
    assert await claimed(bench) == ["theirs"]


async def test_a_claim_takes_no_more_than_its_limit(bench: Bench) -> None:
    for number in range(5):
        await bench.queued(f"r{number}", owner="ann")
    assert await claimed(bench, 3, by_owner=10) == ["r0", "r1", "r2"]
    assert await claimed(bench, 0) == []


async def test_two_claimers_never_get_the_same_run(bench: Bench) -> None:
    for number in range(40):
        await bench.queued(f"r{number}")

    async def drain(which: str) -> list[str]:
        store = bench.store if which == "d1" else bench.another
        found: list[str] = []
        while leases := await store.claim(which, limit=3, ttl_s=30.0):
            found += [lease.run.id for lease in leases]
        return found

    first, second = await asyncio.gather(drain("d1"), drain("d2"))
    assert sorted(first + second) == sorted(f"r{number}" for number in range(40))


async def test_two_claimers_together_keep_an_owners_quota(bench: Bench) -> None:
    for number in range(10):
        await bench.queued(f"r{number}", owner="ann")
    many = await asyncio.gather(
        *(
            store.claim(name, limit=3, ttl_s=30.0, max_running_by_owner=3)
            for name, store in (("d1", bench.store), ("d2", bench.another)) * 3
        )
    )
    assert sum(len(leases) for leases in many) == 3


async def test_a_renewal_extends_the_lease(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.advance(20.0)
    assert await bench.store.renew("d1", {"r1": lease.token}, ttl_s=30.0) == [
        LeaseNews(run_id="r1", held=True)
    ]
    await bench.advance(20.0)
    assert (await bench.store.settle("r1", lease.token, Settlement(state="completed"))).state == "completed"


async def test_a_renewal_tells_what_people_want(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.cancel("r1", "enough")
    await bench.store.pause("r1")
    (news,) = await bench.store.renew("d1", {"r1": lease.token}, ttl_s=30.0)
    assert news == LeaseNews(run_id="r1", held=True, cancel="enough", pause=True)


async def test_a_lease_that_is_not_held_is_not_renewed(bench: Bench) -> None:
    lease = await bench.leased()
    lost = LeaseNews(run_id="r1", held=False)
    assert await bench.store.renew("d1", {"r1": lease.token + 1}, ttl_s=30.0) == [lost]
    assert await bench.store.renew("d2", {"r1": lease.token}, ttl_s=30.0) == [lost]
    assert await bench.store.renew("d1", {"r9": 1}, ttl_s=30.0) == [LeaseNews(run_id="r9", held=False)]
    assert await bench.store.renew("d1", {}, ttl_s=30.0) == []
    await bench.advance(30.0)
    assert await bench.store.renew("d1", {"r1": lease.token}, ttl_s=30.0) == [lost]


async def test_many_leases_are_renewed_at_once(bench: Bench) -> None:
    for number in range(3):
        await bench.queued(f"r{number}")
    leases = await bench.store.claim("d1", limit=3, ttl_s=30.0)
    asked = {lease.run.id: lease.token for lease in leases} | {"r1": 99}
    news = await bench.store.renew("d1", asked, ttl_s=30.0)
    assert {each.run_id: each.held for each in news} == {"r0": True, "r1": False, "r2": True}


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "parked"])
async def test_a_settlement_ends_the_run(bench: Bench, state: RunState) -> None:
    lease = await bench.leased()
    await bench.advance(4.0)
    run = await bench.store.settle(
        "r1", lease.token, Settlement(state=state, reason="because", metrics={"f1": 0.5})
    )
    assert (run.state, run.reason, run.metrics) == (state, "because", {"f1": 0.5})
    assert (run.ended_at, run.ran_s, run.daemon, run.lease_until) == (bench.now, 4.0, None, None)
    assert run == await bench.store.run("r1")
    assert (await bench.kinds())[-1] == f"run.{state}"


async def test_a_settlement_can_be_repeated(bench: Bench) -> None:
    lease = await bench.leased()
    once = await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    await bench.advance(1.0)
    assert await bench.store.settle("r1", lease.token, Settlement(state="completed")) == once
    assert (await bench.kinds()).count("run.completed") == 1
    with pytest.raises(LeaseLostError):
        await bench.store.settle("r1", lease.token, Settlement(state="failed"))


async def test_a_repeated_settlement_does_not_undo_what_came_after(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.settle("r1", lease.token, Settlement(state="failed"))
    await bench.store.retry("r1")
    assert (await bench.store.settle("r1", lease.token, Settlement(state="failed"))).state == "queued"
    await bench.store.claim("d1", limit=1, ttl_s=30.0)
    with pytest.raises(LeaseLostError):
        await bench.store.settle("r1", lease.token, Settlement(state="failed"))


async def test_a_run_handed_back_waits_as_long_as_was_said(bench: Bench) -> None:
    lease = await bench.leased()
    run = await bench.store.settle(
        "r1", lease.token, Settlement(state="queued", reason="rate limited", delay_s=10.0)
    )
    assert (run.state, run.reason, run.attempt) == ("queued", "rate limited", 1)
    assert run.run_at == bench.now + 10.0
    assert await claimed(bench) == []
    await bench.advance(10.0)
    (again,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
    assert (again.run.attempt, again.run.reason, again.token) == (2, None, lease.token + 1)


async def test_an_attempt_that_is_not_counted_is_given_back(bench: Bench) -> None:
    lease = await bench.leased()
    run = await bench.store.settle("r1", lease.token, Settlement(state="queued", counted=False))
    assert (run.attempt, run.run_at) == (0, run.submitted_at)


async def test_a_run_to_be_cancelled_is_cancelled_when_handed_back(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.cancel("r1", "enough")
    run = await bench.store.settle("r1", lease.token, Settlement(state="queued", counted=False))
    assert (run.state, run.reason, run.cancel, run.ended_at) == ("cancelled", "enough", None, bench.now)
    assert await bench.store.settle("r1", lease.token, Settlement(state="queued", counted=False)) == run


async def test_a_cancelled_run_says_who_wanted_it(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.cancel("r1", "enough")
    run = await bench.store.settle("r1", lease.token, Settlement(state="cancelled"))
    assert (run.state, run.reason) == ("cancelled", "enough")


async def test_a_run_that_completes_in_spite_of_a_cancel_is_completed(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.cancel("r1", "too late")
    run = await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    assert (run.state, run.reason, run.cancel) == ("completed", None, None)


async def test_a_run_asked_to_pause_pauses(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.pause("r1")
    run = await bench.store.settle("r1", lease.token, Settlement(state="paused", counted=False))
    assert (run.state, run.pause, run.attempt) == ("paused", False, 0)


async def test_a_pause_taken_back_while_the_run_was_pausing_leaves_it_in_the_queue(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.pause("r1")
    await bench.store.renew("d1", {"r1": lease.token}, ttl_s=30.0)
    await bench.store.resume("r1")
    run = await bench.store.settle("r1", lease.token, Settlement(state="paused", counted=False))
    assert run.state == "queued"
    assert await bench.store.settle("r1", lease.token, Settlement(state="paused", counted=False)) == run


async def test_a_lease_cannot_be_settled_as_running(bench: Bench) -> None:
    lease = await bench.leased()
    with pytest.raises(InputError, match="not running"):
        await bench.store.settle("r1", lease.token, Settlement(state="running"))


async def test_who_has_lost_the_lease_changes_nothing(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.advance(30.0)
    before = (await bench.store.run("r1"), await bench.store.events())
    with pytest.raises(LeaseLostError, match="run r1: lease 1"):
        await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    with pytest.raises(LeaseLostError):
        await bench.store.record_stage(stage("r1", lease.token))
    with pytest.raises(LeaseLostError):
        await bench.store.settle("r9", 1, Settlement(state="completed"))
    assert (await bench.store.run("r1"), await bench.store.events()) == before
    assert await bench.store.stages("r1") == []


async def test_the_time_of_all_attempts_is_added_up(bench: Bench) -> None:
    for seconds in (3.0, 4.0):
        await bench.store.register(daemon(), max_interruptions=3)
        await bench.queued()
        (lease,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
        await bench.advance(seconds)
        run = await bench.store.settle("r1", lease.token, Settlement(state="queued"))
    assert (run.ran_s, run.started_at) == (7.0, run.submitted_at)


async def test_metrics_that_are_no_json_are_refused_and_the_lease_stays(bench: Bench) -> None:
    lease = await bench.leased()
    with pytest.raises(InputError, match="JSON"):
        await bench.store.settle("r1", lease.token, Settlement(state="completed", metrics={"a": object()}))
    assert (await bench.store.run("r1")).state == "running"


async def test_a_settlement_of_an_older_lease_is_no_repetition(bench: Bench) -> None:
    old = await bench.leased()
    await bench.advance(30.0)
    await bench.store.rescue(max_interruptions=3)
    (lease,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
    await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    with pytest.raises(LeaseLostError):
        await bench.store.settle("r1", old.token, Settlement(state="completed"))
