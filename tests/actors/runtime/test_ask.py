import asyncio
from collections.abc import Callable

import pytest

from crucible.actors.runtime import (
    Actor,
    ActorCrashed,
    ActorMisuse,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Asks,
    AskTimeout,
    UnhandledMessage,
    handler,
)
from crucible.actors.testkit import TestKit


class Double(Asks[int]):
    def __init__(self, number: int) -> None:
        self.number = number


class DoubleLater(Double):
    pass


class Fail(Asks[int]):
    pass


class FailLater(Asks[int]):
    pass


class Hang(Asks[int]):
    pass


class Unknown(Asks[int]):
    pass


class Calculator(Actor):
    def __init__(self, log: list[str] | None = None) -> None:
        self.log = [] if log is None else log

    @handler
    def on_double(self, message: Double) -> int:
        return 2 * message.number

    @handler
    async def on_double_later(self, message: DoubleLater) -> int:
        await asyncio.sleep(0)
        return 2 * message.number

    @handler
    def on_fail(self, message: Fail) -> int:
        raise ValueError("no")

    @handler
    async def on_fail_later(self, message: FailLater) -> int:
        raise ValueError("no")

    @handler
    async def on_hang(self, message: Hang) -> int:
        self.log.append("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        return 0


async def test_an_ask_returns_what_the_handler_returns() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator)
        assert await ref.ask(Double(4)) == 8
        assert await ref.ask(DoubleLater(5)) == 10


async def test_many_asks_in_a_row_let_the_event_loop_go_on() -> None:
    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    async with ActorSystem() as system:
        ref = system.spawn(Calculator)
        counter = asyncio.create_task(count())
        for number in range(1000):
            assert await ref.ask(Double(number)) == 2 * number
        counter.cancel()
    assert passes >= 10


@pytest.mark.parametrize("request_type", [Fail, FailLater])
async def test_the_asker_learns_that_and_why_the_handler_crashed(
    request_type: Callable[[], Asks[int]],
) -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator, name="calc")
        with pytest.raises(ActorCrashed, match=r"crucible/calc.*ValueError: no") as caught:
            await ref.ask(request_type())
        assert isinstance(caught.value.__cause__, ValueError)
        assert await ref.ask(Double(1)) == 2, "restarted"


async def test_an_ask_without_a_handler_fails_and_names_actor_and_type() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator, name="calc")
        with pytest.raises(
            UnhandledMessage, match=r"crucible/calc has no handler for Unknown|calc: has no handler"
        ):
            await ref.ask(Unknown())


async def test_an_ask_to_a_stopped_actor_fails_at_once() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator, name="calc")
        await ref.stop()
        with pytest.raises(ActorStopped, match="crucible/calc"):
            await ref.ask(Double(1), timeout=None)


async def test_an_ask_to_an_actor_given_up_after_a_crash_fails_at_once() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator, name="calc", restart="temporary")
        with pytest.raises(ActorCrashed):
            await ref.ask(FailLater(), timeout=None)
        with pytest.raises(ActorStopped, match="crucible/calc"):
            await ref.ask(Double(1), timeout=None)


async def test_an_ask_that_waits_in_the_mailbox_fails_at_once_when_the_actor_is_told_to_stop() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Calculator)
        hanging = asyncio.create_task(ref.ask(Hang(), timeout=None))
        await system.quiescent()
        queued = asyncio.create_task(ref.ask(Double(1), timeout=None))
        await system.quiescent()
        stopping = asyncio.create_task(ref.stop(grace=0.01))
        with pytest.raises(ActorStopped):
            await queued
        with pytest.raises(ActorStopped):
            await hanging
        await stopping


async def test_a_deadline_cancels_the_handler_at_work_and_spares_the_actor() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Calculator(log), name="calc")
        asking = asyncio.create_task(ref.ask(Hang(), timeout=5))
        await kit.quiescent()
        await kit.advance(4.9)
        assert log == ["begun"]
        await kit.advance(0.2)
        with pytest.raises(AskTimeout, match=r"test/calc: no answer to Hang within 5 s"):
            await asking
        assert log == ["begun", "cancelled"]
        assert await ref.ask(Double(3)) == 6
        assert ref.statistics().restarts == 0


async def test_a_deadline_drops_a_request_that_still_waits() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Calculator(log))
        first = asyncio.create_task(ref.ask(Hang(), timeout=None))
        await kit.quiescent()
        second = asyncio.create_task(ref.ask(Hang(), timeout=1))
        await kit.advance(2)
        with pytest.raises(AskTimeout):
            await second
        first.cancel()
        await kit.quiescent()
        assert log == ["begun", "cancelled"], "the second request was never begun"


async def test_a_deadline_covers_the_wait_for_room_in_the_mailbox() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(Calculator, mailbox_capacity=1)
        asks = [asyncio.create_task(ref.ask(Hang(), timeout=None)) for _ in range(2)]
        await kit.quiescent()
        late = asyncio.create_task(ref.ask(Double(1), timeout=1))
        await kit.advance(2)
        with pytest.raises(AskTimeout):
            await late
        for ask in asks:
            ask.cancel()


async def test_an_ask_waits_for_room_and_is_answered() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(Calculator, mailbox_capacity=1)
        asks = [asyncio.create_task(ref.ask(DoubleLater(number))) for number in range(10)]
        assert await asyncio.gather(*asks) == [2 * number for number in range(10)]


async def test_cancelling_the_asker_cancels_the_handler() -> None:
    log: list[str] = []
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Calculator(log))
        asking = asyncio.create_task(ref.ask(Hang()))
        await system.quiescent()
        asking.cancel()
        await system.quiescent()
        assert asking.cancelled()
        assert log == ["begun", "cancelled"]
        assert await ref.ask(Double(2)) == 4


async def test_cancellation_reaches_through_a_chain_of_asks() -> None:
    log: list[str] = []

    class Middle(Actor):
        def __init__(self, next_one: ActorRef) -> None:
            self.next_one = next_one

        @handler
        async def on_hang(self, message: Hang) -> int:
            return await self.next_one.ask(message)

    async with TestKit() as kit:
        last = kit.spawn(lambda: Calculator(log))
        first = kit.spawn(lambda: Middle(last))
        asking = asyncio.create_task(first.ask(Hang(), timeout=3))
        await kit.quiescent()
        await kit.advance(3)
        with pytest.raises(AskTimeout):
            await asking
        assert log == ["begun", "cancelled"]


async def test_an_actor_that_asks_itself_fails_instead_of_hanging() -> None:
    class Narcissus(Actor):
        @handler
        async def on_double(self, message: Double) -> int:
            return await self.ref.ask(message, timeout=None)

    async with ActorSystem() as system:
        with pytest.raises(ActorCrashed, match="asks itself") as caught:
            await system.spawn(Narcissus, restart="temporary").ask(Double(1), timeout=None)
        assert isinstance(caught.value.__cause__, ActorMisuse)


async def test_asks_nested_deeper_than_the_stack_allows_are_answered() -> None:
    class Link(Actor):
        def __init__(self, next_one: ActorRef | None) -> None:
            self.next_one = next_one

        @handler
        async def on_double(self, message: Double) -> int:
            return await self.next_one.ask(message) if self.next_one else 2 * message.number

    async with ActorSystem() as system:
        link: ActorRef | None = None
        for _ in range(200):
            link = system.spawn(lambda before=link: Link(before))  # type: ignore[misc]  # mypy: lambda default
        assert link is not None
        assert await link.ask(Double(21)) == 42


async def test_asks_with_many_different_timeouts_all_expire() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(Calculator)
        asks = [asyncio.create_task(ref.ask(Hang(), timeout=1 + number / 100)) for number in range(100)]
        await kit.quiescent()
        await kit.advance(3)
        results = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(result) for result in results] == [AskTimeout] * 100
