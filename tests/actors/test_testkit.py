import pytest

from crucible.actors.runtime import Actor, ActorMisuse, ActorRef, Asks, handler
from crucible.actors.testkit import TestKit


class Start:
    pass


class Done:
    pass


class Price(Asks[int]):
    pass


class Stage(Actor):
    def __init__(self, following: ActorRef) -> None:
        self.following = following

    @handler
    async def on_start_message(self, message: Start) -> None:
        self.context.schedule(5, Done())

    @handler
    async def on_done(self, message: Done) -> None:
        await self.following.tell(message)


async def test_a_probe_receives_what_an_actor_sends_on_virtual_time() -> None:
    async with TestKit(clock="virtual") as kit:
        probe = kit.probe("next")
        stage = kit.spawn(lambda: Stage(probe.ref), name="stage")
        await stage.tell(Start())
        await probe.expect_none()
        await kit.advance(5)
        await probe.expect(Done)
        assert [type(message) for message in probe.messages] == [Done]


async def test_expecting_another_type_says_what_was_received() -> None:
    async with TestKit() as kit:
        probe = kit.probe("next")
        await probe.tell("surprise")
        with pytest.raises(AssertionError, match="probe next: expected Done, received 'surprise'"):
            await probe.expect(Done)


async def test_expecting_in_vain_says_so() -> None:
    async with TestKit() as kit:
        probe = kit.probe("next")
        with pytest.raises(AssertionError, match=r"expected Done, got nothing in 0\.001 s"):
            await probe.expect(Done, timeout=0.001)


async def test_expecting_nothing_fails_on_what_came() -> None:
    async with TestKit() as kit:
        probe = kit.probe("next")
        await probe.tell("surprise")
        with pytest.raises(AssertionError, match=r"expected nothing, received .'surprise'"):
            await probe.expect_none()


async def test_a_probe_answers_asks_as_told() -> None:
    async with TestKit() as kit:
        probe = kit.probe()
        probe.reply(Price, lambda _: 42)
        assert await probe.ref.ask(Price()) == 42
        await probe.expect(Price)


async def test_real_time_cannot_be_advanced() -> None:
    async with TestKit(clock="system") as kit:
        with pytest.raises(ActorMisuse, match="advance needs"):
            await kit.advance(1)


async def test_leaving_the_kit_raises_failures_nobody_looked_at() -> None:
    class Broken(Actor):
        async def on_start(self) -> None:
            raise ValueError("from the start")

    with pytest.raises(Exception, match="from the start"):  # noqa: PT012
        async with TestKit() as kit:
            kit.spawn(Broken)
            await kit.quiescent()
