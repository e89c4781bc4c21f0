from crucible.actors.runtime import (
    Actor,
    ActorMisuse,
    ActorRef,
    RestartIntensity,
    RestartsExhausted,
    SupervisionPolicy,
    Terminated,
    handler,
)
from crucible.actors.testkit import TestKit


class Boom:
    pass


class Fragile(Actor):
    @handler
    def on_boom(self, message: Boom) -> None:
        raise ValueError


class Watcher(Actor):
    def __init__(self, target: ActorRef, seen: list[Terminated]) -> None:
        self.target = target
        self.seen = seen

    async def on_start(self) -> None:
        self.context.watch(self.target)

    @handler
    def on_terminated(self, message: Terminated) -> None:
        self.seen.append(message)

    @handler
    def on_boom(self, message: Boom) -> None:
        self.context.unwatch(self.target)


async def test_a_watcher_learns_of_an_ordered_stop() -> None:
    async with TestKit() as kit:
        target = kit.spawn(Fragile)
        probe = kit.probe()
        probe.watch(target)
        await target.stop()
        assert await probe.expect(Terminated) == Terminated(target, None)


async def test_a_watcher_learns_why_an_actor_was_given_up_but_not_of_restarts() -> None:
    async with TestKit() as kit:
        target = kit.spawn(Fragile, policy=SupervisionPolicy(intensity=RestartIntensity(1)))
        probe = kit.probe()
        probe.watch(target)
        await target.tell(Boom())
        await probe.expect_none()
        await target.tell(Boom())
        assert isinstance((await probe.expect(Terminated)).reason, RestartsExhausted)
        assert len(kit.system.failures) == 1


async def test_watching_an_actor_that_is_gone_answers_at_once() -> None:
    async with TestKit() as kit:
        target = kit.spawn(Fragile)
        await target.stop()
        probe = kit.probe()
        probe.watch(target)
        assert (await probe.expect(Terminated)).ref is target


async def test_unwatching_ends_it() -> None:
    seen: list[Terminated] = []
    async with TestKit() as kit:
        target = kit.spawn(Fragile)
        watcher = kit.spawn(lambda: Watcher(target, seen))
        await watcher.tell(Boom())
        await kit.quiescent()
        await target.stop()
        await kit.quiescent()
    assert seen == []


async def test_a_death_notice_overtakes_the_mailbox() -> None:
    seen: list[Terminated] = []
    order: list[str] = []

    class Ordered(Watcher):
        @handler
        def on_text(self, message: str) -> None:
            order.append(f"{message} after {len(self.seen)} notices")

    async with TestKit() as kit:
        target = kit.spawn(Fragile)
        watcher = kit.spawn(lambda: Ordered(target, seen))
        await kit.quiescent()
        watcher.tell_nowait("queued first")
        await target.stop()
        await kit.quiescent()
    assert order == ["queued first after 1 notices"]


async def test_watching_needs_a_handler_for_the_notice() -> None:
    class Deaf(Actor):
        def __init__(self, target: ActorRef) -> None:
            self.target = target

        async def on_start(self) -> None:
            self.context.watch(self.target)

    async with TestKit() as kit:
        target = kit.spawn(Fragile)
        kit.spawn(lambda: Deaf(target), restart="temporary", name="deaf")
        probe = kit.probe()
        await kit.quiescent()
        probe.watch(target)
        ref = kit.spawn(lambda: Deaf(target), name="deaf", restart="temporary")
        probe.watch(ref)
        assert isinstance((await probe.expect(Terminated)).reason, ActorMisuse)
