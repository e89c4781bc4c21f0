import asyncio

from crucible.actors.runtime import ActorSystem, SystemClock, VirtualClock


async def test_virtual_time_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock()
    woken: list[float] = []

    async def sleep() -> None:
        await clock.sleep(10)
        woken.append(clock.now())

    async with ActorSystem(clock=clock) as system:
        task = asyncio.create_task(sleep())
        await system.quiescent()
        await clock.advance(9)
        assert (woken, clock.now()) == ([], 9)
        await clock.advance(5)
        assert (woken, clock.now()) == ([10], 14)
        await task


async def test_what_a_timer_starts_happens_before_the_next_timer() -> None:
    clock = VirtualClock()
    fired: list[float] = []

    def again() -> None:
        fired.append(clock.now())
        if len(fired) < 3:
            clock.call_later(1, again)

    clock.call_later(1, again)
    clock.call_later(2.5, lambda: fired.append(clock.now()))
    await clock.advance(10)
    assert fired == [1, 2, 2.5, 3]


async def test_a_cancelled_virtual_timer_does_not_fire() -> None:
    clock = VirtualClock()
    fired: list[int] = []
    clock.call_later(1, lambda: fired.append(1)).cancel()
    await clock.advance(2)
    assert fired == []


async def test_the_system_clock_is_the_event_loops() -> None:
    clock = SystemClock()
    fired = asyncio.Event()
    began = clock.now()
    clock.call_later(0.001, fired.set)
    await fired.wait()
    await clock.sleep(0.001)
    assert clock.now() > began
