"""Slots: never more than there are, first come first served, none lost."""

import asyncio

import pytest

from crucible.actors.slots import Slots


async def test_a_slot_goes_to_the_one_who_has_waited_longest() -> None:
    slots = Slots(1)
    slot = await slots.take()
    first, second = asyncio.ensure_future(slots.take()), asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    slots.give(slot)
    assert slots.free == 0  # it did not become free in between
    assert await first == 0
    assert not second.done()
    slots.give(0)
    assert await second == 0


async def test_a_waiter_that_is_cancelled_loses_no_slot() -> None:
    slots = Slots(1)
    slot = await slots.take()
    waiter = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    slots.give(slot)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert slots.free == 1
    assert await slots.take() == 0


async def test_idle_waits_until_nobody_waits() -> None:
    slots = Slots(1)
    await slots.idle()
    slot = await slots.take()
    idle = asyncio.ensure_future(slots.idle())
    waiter = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    slots.give(slot)
    await waiter
    assert not idle.done()
    slots.give(slot)
    await idle
