"""Submitting, and what people may ask of a run afterwards."""

from __future__ import annotations

import msgspec
import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import daemon, new_run

from crucible.messages.errors import ConflictError, InputError, NotFoundError, QuotaError
from crucible.messages.queue import Settlement


async def test_a_submitted_run_is_queued_with_all_that_was_said(bench: Bench) -> None:
    given = new_run(
        "r1",
        spec=b'{"id":"caf\xc3\xa9"}',
        key="k",
        owner="ann",
        priority=7,
        deadline_s=60.0,
        max_attempts=5,
        labels={"team": "a"},
    )
    answer = await bench.store.submit(given)
    assert answer.created
    assert answer.run == await bench.store.run("r1")
    run = answer.run
    assert (run.state, run.owner, run.priority, run.key) == ("queued", "ann", 7, "k")
    assert (run.submitted_at, run.run_at, run.deadline_s) == (bench.now, bench.now, 60.0)
    assert (run.attempt, run.max_attempts, run.token, run.labels) == (0, 5, 0, {"team": "a"})
    assert await bench.store.spec("r1") == given.spec
    (event,) = await bench.store.events()
    assert (event.run_id, event.kind, event.at) == ("r1", "run.submitted", bench.now)


async def test_the_same_key_and_experiment_give_the_run_that_is_there(bench: Bench) -> None:
    first = await bench.store.submit(new_run("r1", key="k"))
    again = await bench.store.submit(new_run("r2", key="k"))
    assert not again.created
    assert again.run == first.run
    assert len((await bench.store.runs()).runs) == 1


async def test_a_key_finds_its_run_after_that_has_ended(bench: Bench) -> None:
    await bench.queued("r1", key="k")
    await bench.store.cancel("r1", "no")
    again = await bench.store.submit(new_run("r2", key="k"))
    assert (again.created, again.run.id, again.run.state) == (False, "r1", "cancelled")


async def test_a_key_with_another_experiment_is_a_conflict(bench: Bench) -> None:
    await bench.queued("r1", key="k")
    with pytest.raises(ConflictError, match=r"'k'.*r1"):
        await bench.store.submit(new_run("r2", spec=b"{}", key="k"))


async def test_an_id_that_is_taken_is_a_conflict(bench: Bench) -> None:
    await bench.queued("r1", key="k")
    for other in (new_run("r1", key="k2"), new_run("r1"), new_run("r1", spec=b"{}")):
        with pytest.raises(ConflictError):
            await bench.store.submit(other)


async def test_a_submission_without_key_can_be_repeated(bench: Bench) -> None:
    first = await bench.store.submit(new_run("r1"))
    again = await bench.store.submit(new_run("r1"))
    assert (again.created, again.run) == (False, first.run)
    assert await bench.kinds() == ["run.submitted"]


async def test_a_full_queue_takes_no_more_but_repetitions(bench: Bench) -> None:
    await bench.queued("r1", key="k")
    await bench.queued("r2")
    with pytest.raises(QuotaError, match="full: 2 runs"):
        await bench.store.submit(new_run("r3"), max_queued=2)
    assert not (await bench.store.submit(new_run("r9", key="k"), max_queued=2)).created
    await bench.store.cancel("r1", "room")
    assert (await bench.store.submit(new_run("r3"), max_queued=2)).created


async def test_an_owner_has_a_part_of_the_queue(bench: Bench) -> None:
    await bench.queued("r1", owner="ann")
    with pytest.raises(QuotaError, match="'ann' is full"):
        await bench.store.submit(new_run("r2", owner="ann"), max_queued_by_owner=1)
    assert (await bench.store.submit(new_run("r2", owner="bob"), max_queued_by_owner=1)).created


@pytest.mark.parametrize("field", ["id", "key", "owner", "base"])
async def test_text_that_no_database_keeps_is_refused(bench: Bench, field: str) -> None:
    for text in ("a\0b", "a\ud800b"):
        with pytest.raises(InputError, match=field):
            await bench.store.submit(msgspec.structs.replace(new_run(), **{field: text}))


async def test_a_queued_run_is_cancelled_at_once(bench: Bench) -> None:
    await bench.queued()
    run = await bench.store.cancel("r1", "not\nneeded")
    assert (run.state, run.reason, run.ended_at, run.cancel) == ("cancelled", "not needed", bench.now, None)
    assert await bench.store.cancel("r1", "again") == run
    assert await bench.kinds() == ["run.submitted", "run.cancelled"]


async def test_a_running_run_is_asked_to_cancel_once(bench: Bench) -> None:
    await bench.leased()
    run = await bench.store.cancel("r1", "first")
    assert (run.state, run.cancel) == ("running", "first")
    assert (await bench.store.cancel("r1", "second")).cancel == "first"
    assert await bench.kinds() == ["run.submitted", "run.started", "run.cancelling"]


async def test_a_paused_run_is_not_claimed_until_it_is_resumed(bench: Bench) -> None:
    await bench.queued()
    assert (await bench.store.pause("r1")).state == "paused"
    assert (await bench.store.pause("r1")).state == "paused"
    assert await bench.store.claim("d1", limit=5, ttl_s=30.0) == []
    assert (await bench.store.resume("r1")).state == "queued"
    assert len(await bench.store.claim("d1", limit=5, ttl_s=30.0)) == 1
    assert await bench.kinds() == ["run.submitted", "run.paused", "run.resumed", "run.started"]


async def test_a_paused_run_can_be_cancelled(bench: Bench) -> None:
    await bench.queued()
    await bench.store.pause("r1")
    assert (await bench.store.cancel("r1", "no")).state == "cancelled"


async def test_a_pause_that_was_not_seen_yet_can_be_taken_back(bench: Bench) -> None:
    lease = await bench.leased()
    assert (await bench.store.pause("r1")).pause
    run = await bench.store.resume("r1")
    assert (run.state, run.pause) == ("running", False)
    assert not (await bench.store.renew("d1", {"r1": lease.token}, ttl_s=30.0))[0].pause


async def test_only_what_is_paused_can_be_resumed(bench: Bench) -> None:
    await bench.queued()
    with pytest.raises(ConflictError, match="is queued"):
        await bench.store.resume("r1")
    await bench.store.claim("d1", limit=1, ttl_s=30.0)
    with pytest.raises(ConflictError, match="is running"):
        await bench.store.resume("r1")


async def test_what_has_ended_cannot_be_paused(bench: Bench) -> None:
    await bench.queued()
    await bench.store.cancel("r1", "no")
    with pytest.raises(ConflictError, match="is cancelled"):
        await bench.store.pause("r1")


@pytest.mark.parametrize("state", ["failed", "cancelled", "parked"])
async def test_a_run_that_ended_badly_is_retried_with_all_its_attempts(bench: Bench, state: str) -> None:
    lease = await bench.leased(deadline_s=10.0)
    await bench.advance(5.0)
    ended = await bench.store.settle("r1", lease.token, Settlement(state=state, reason="broken"))  # type: ignore[arg-type]
    assert ended.state == state
    run = await bench.store.retry("r1")
    assert (run.state, run.attempt, run.interruptions, run.ran_s) == ("queued", 0, 0, 0.0)
    assert (run.reason, run.ended_at, run.run_at) == (None, None, bench.now)
    (again,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
    assert again.token > lease.token


async def test_only_what_ended_badly_can_be_retried(bench: Bench) -> None:
    lease = await bench.leased()
    with pytest.raises(ConflictError, match="is running"):
        await bench.store.retry("r1")
    await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    with pytest.raises(ConflictError, match="is completed"):
        await bench.store.retry("r1")


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "run", "spec"])
async def test_a_run_that_is_not_there_is_not_found(bench: Bench, verb: str) -> None:
    with pytest.raises(NotFoundError, match="'nobody'"):
        await getattr(bench.store, verb)("nobody")
    with pytest.raises(NotFoundError, match="'nobody'"):
        await bench.store.cancel("nobody", "why")


async def test_registering_makes_no_event(bench: Bench) -> None:
    await bench.store.register(daemon(), max_interruptions=3)
    assert await bench.kinds() == []
