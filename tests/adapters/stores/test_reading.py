"""Lists, counts, events, and waiting for something to be written."""

from __future__ import annotations

import asyncio

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import new_run

from crucible.messages.errors import InputError
from crucible.messages.queue import RunFilter, Settlement


async def listed(bench: Bench, **filters: object) -> list[str]:
    where = RunFilter(**filters)  # type: ignore[arg-type]
    return [run.id for run in (await bench.store.runs(where)).runs]


async def test_runs_are_listed_newest_first(bench: Bench) -> None:
    for name in ("b", "a", "c"):
        await bench.queued(name)
    page = await bench.store.runs()
    assert [run.id for run in page.runs] == ["c", "a", "b"]
    assert page.cursor is None
    assert (await bench.store.runs(limit=3)).cursor is None


async def test_pages_do_not_shift_when_runs_come_in(bench: Bench) -> None:
    for number in range(5):
        await bench.queued(f"r{number}")
    page = await bench.store.runs(limit=2)
    found = [run.id for run in page.runs]
    await bench.queued("new")
    while page.cursor is not None:
        page = await bench.store.runs(limit=2, cursor=page.cursor)
        found += [run.id for run in page.runs]
    assert found == ["r4", "r3", "r2", "r1", "r0"]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 30, "١", "1;drop"])
async def test_a_cursor_that_is_none_is_refused(bench: Bench, cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        await bench.store.runs(cursor=cursor)


async def test_lists_are_filtered(bench: Bench) -> None:
    await bench.queued("Alpha-1", owner="ann", experiment_id="claims")
    await bench.queued("beta_1", owner="bob", experiment_id="claims")
    await bench.queued("beta%2", owner="bob", experiment_id="ALPHABET")
    await bench.store.cancel("beta_1", "no")
    assert await listed(bench, owner="bob") == ["beta%2", "beta_1"]
    assert await listed(bench, states=("queued",)) == ["beta%2", "Alpha-1"]
    assert await listed(bench, states=("queued", "cancelled"), owner="bob") == ["beta%2", "beta_1"]
    assert await listed(bench, states=()) == []
    assert await listed(bench, experiment_id="claims") == ["beta_1", "Alpha-1"]
    assert await listed(bench, text="alpha") == ["beta%2", "Alpha-1"]
    assert await listed(bench, text="A_1") == ["beta_1"]
    assert await listed(bench, text="a%") == ["beta%2"]
    assert await listed(bench, text="") == ["beta%2", "beta_1", "Alpha-1"]


async def test_lists_are_filtered_by_a_whole_label(bench: Bench) -> None:
    await bench.queued("plain")
    await bench.queued("one", labels={"team": "search"})
    await bench.queued("two", labels={"a": "b", "team": "search", "ünï": 'q"\\%_'})
    await bench.queued("near", labels={"steam": "search", "team": "Search", 'a,"team': "search"})
    assert await listed(bench, label=("team", "search")) == ["two", "one"]
    assert await listed(bench, label=("ünï", 'q"\\%_')) == ["two"]
    assert await listed(bench, label=("a", "b"), text="two") == ["two"]
    for label in (("team", ""), ("team", "sear"), ("eam", "search"), ("", "search")):
        assert await listed(bench, label=label) == []


async def test_counts_are_by_state_and_tell_the_longest_wait(bench: Bench) -> None:
    assert (await bench.store.counts()).by_state == {}
    assert (await bench.store.counts()).oldest_due_s is None
    await bench.queued("later", run_at=bench.now + 100.0)
    assert (await bench.store.counts()).oldest_due_s is None
    await bench.queued("r1")
    await bench.advance(5.0)
    await bench.queued("r2")
    await bench.queued("r3")
    await bench.store.cancel("r3", "no")
    counts = await bench.store.counts()
    assert counts.by_state == {"queued": 3, "cancelled": 1}
    assert counts.oldest_due_s == 5.0


async def test_events_are_numbered_in_order(bench: Bench) -> None:
    await bench.queued("r1")
    await bench.queued("r2")
    await bench.store.cancel("r1", "no")
    events = await bench.store.events()
    assert [(each.run_id, each.kind) for each in events] == [
        ("r1", "run.submitted"),
        ("r2", "run.submitted"),
        ("r1", "run.cancelled"),
    ]
    assert events == sorted(events, key=lambda each: each.seq)
    assert await bench.store.events(after=events[0].seq) == events[1:]
    assert await bench.store.events(after=events[-1].seq) == []
    assert await bench.store.events(run_id="r1") == [events[0], events[2]]
    assert await bench.store.events(limit=2) == events[:2]
    assert await bench.store.events(run_id="r2", after=events[1].seq) == []


async def test_whoever_follows_from_the_latest_event_hears_of_the_next_one_only(bench: Bench) -> None:
    assert await bench.store.latest_event() == 0
    await bench.queued("r1")
    latest = await bench.store.latest_event()
    assert latest == (await bench.store.events())[-1].seq
    await bench.queued("r2")
    assert [each.run_id for each in await bench.store.events(after=latest)] == ["r2"]


async def test_no_event_appears_below_one_that_was_seen(bench: Bench) -> None:
    seen: list[int] = []
    done = asyncio.Event()

    async def write(store: str, number: int) -> None:
        for index in range(15):
            run = new_run(f"{store}-{number}-{index}")
            await (bench.store if store == "a" else bench.another).submit(run)

    async def watch() -> None:
        while True:
            last = done.is_set()
            events = await bench.store.events(after=seen[-1] if seen else 0, limit=7)
            seen.extend(event.seq for event in events)
            await asyncio.sleep(0)
            if last and not events:
                return

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(write(store, number) for store in "ab" for number in range(4)))
    done.set()
    await watcher
    assert len(seen) == 120
    assert seen == [event.seq for event in await bench.store.events()]


async def test_waiting_ends_when_something_is_written(bench: Bench) -> None:
    await bench.store.events()
    waiting = asyncio.create_task(bench.store.changed(50.0))
    await asyncio.sleep(0)
    await bench.queued()
    await waiting


async def test_waiting_ends_when_somebody_else_writes(bench: Bench) -> None:
    await bench.store.events()
    waiting = asyncio.create_task(bench.store.changed(50.0))
    await asyncio.sleep(0)
    await bench.another.submit(new_run())
    await waiting


async def test_what_was_written_between_look_and_wait_is_not_missed(bench: Bench) -> None:
    assert await bench.store.events() == []
    await asyncio.create_task(_submit(bench))
    await bench.store.changed(50.0)


async def _submit(bench: Bench) -> None:
    await bench.store.submit(new_run())


async def test_waiting_has_an_end(bench: Bench) -> None:
    await bench.store.changed(0.01)


async def test_lists_of_a_run_that_is_not_there_are_empty(bench: Bench) -> None:
    assert await bench.store.stages("nobody") == []
    assert await bench.store.artifacts("nobody") == []
    assert await bench.store.session("nobody") is None
    assert await bench.store.events(run_id="nobody") == []


async def test_closing_twice_is_harmless(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.settle("r1", lease.token, Settlement(state="completed"))
    await bench.store.aclose()
    await bench.store.aclose()
