import asyncio

import pytest
from tests.support.simulated_loop import LoopClock, simulate

from crucible.actors.daemon.hold import Hold
from crucible.messages.errors import LeaseLostError, StoreError


def hold(until: float = 25.0) -> Hold:
    return Hold("r1", 7, until=until, clock=LoopClock())


def test_a_lease_that_nobody_renews_is_lost_on_time() -> None:
    async def scenario() -> None:
        held = hold(25.0)
        await held.lost()
        assert asyncio.get_running_loop().time() == 25.0
        assert not held.good

    simulate(scenario())


def test_a_renewal_moves_the_end_and_comes_too_late_for_a_lost_lease() -> None:
    async def scenario() -> None:
        held = hold(25.0)
        await asyncio.sleep(20)
        held.extend(45.0)
        await asyncio.sleep(24)
        good = [held.good]
        await asyncio.sleep(2)
        good.append(held.good)
        held.extend(100.0)
        assert [*good, held.good] == [True, False, False]

    simulate(scenario())


def test_a_process_that_slept_through_the_end_knows_before_any_timer_fires() -> None:
    class Stopped(LoopClock):
        asleep = 0.0

        def now(self) -> float:
            return super().now() + self.asleep

    async def scenario() -> None:
        clock = Stopped()
        held = Hold("r1", 1, until=25.0, clock=clock)
        clock.asleep = 60.0
        assert not held.good
        with pytest.raises(LeaseLostError):
            await held.while_good(asyncio.sleep(0))

    simulate(scenario())


def test_work_ends_with_the_lease() -> None:
    async def scenario() -> None:
        ended = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.set()

        with pytest.raises(LeaseLostError):
            await hold(25.0).while_good(work())
        assert ended.is_set()
        assert asyncio.get_running_loop().time() == 25.0

    simulate(scenario())


def test_a_failing_store_is_asked_until_it_answers() -> None:
    async def scenario() -> None:
        asked = 0

        async def call() -> str:
            nonlocal asked
            asked += 1
            if asked < 8:
                raise StoreError("planted")
            return "done"

        assert await hold(25.0).patiently(call) == "done"
        assert asked == 8

    simulate(scenario())


def test_a_store_that_never_answers_is_given_up_with_the_lease() -> None:
    async def scenario() -> None:
        async def call() -> str:
            raise StoreError("planted")

        with pytest.raises(LeaseLostError):
            await hold(25.0).patiently(call)
        assert asyncio.get_running_loop().time() == 25.0

    simulate(scenario())


def test_a_store_that_says_the_lease_is_lost_is_believed() -> None:
    async def scenario() -> None:
        held = hold(25.0)

        async def call() -> str:
            raise LeaseLostError("it went to another")

        with pytest.raises(LeaseLostError, match="it went to another"):
            await held.patiently(call)
        assert not held.good

    simulate(scenario())
