import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from crucible.actors.runtime import Actor, ActorCrashed, ActorSystem, Asks, activation, handler, runqueue

current_user: ContextVar[str] = ContextVar("current_user", default="nobody")


class Feed:
    pass


class WhoAmI(Asks[str]):
    pass


class SetUser:
    pass


class SetUserAndWait:
    pass


class SelfFeeder(Actor):
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    @handler
    async def on_feed(self, message: Feed) -> None:
        self.count += 1
        if self.count < self.limit:
            await self.ref.tell(message)


class SyncSelfFeeder(Actor):
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    @handler
    def on_feed(self, message: Feed) -> None:
        self.count += 1
        if self.count < self.limit:
            self.ref.tell_nowait(message)


@pytest.mark.parametrize("feeder", [SelfFeeder, SyncSelfFeeder])
async def test_a_self_feeding_actor_does_not_freeze_other_tasks(
    feeder: type[SelfFeeder | SyncSelfFeeder],
) -> None:
    async with ActorSystem() as system:
        actor = feeder(100_000)
        ref = system.spawn(lambda: actor)
        await ref.tell(Feed())
        await asyncio.sleep(0.001)
        assert 0 < actor.count < 50_000, "the sleep ended long before the actor was done"
        await ref.stop()


async def test_slow_sync_handlers_let_other_tasks_run_in_between() -> None:
    class Slow(Actor):
        count = 0

        @handler
        def on_feed(self, message: Feed) -> None:
            Slow.count += 1
            sum(range(20_000))

    async with ActorSystem() as system:
        ref = system.spawn(Slow)
        for _ in range(500):
            ref.tell_nowait(Feed())
        for _ in range(3):
            await asyncio.sleep(0)
        assert 0 < Slow.count < 200
        await ref.stop()


async def test_a_suspended_handler_does_not_hold_up_other_actors() -> None:
    gate = asyncio.Event()
    log: list[str] = []

    class Waits(Actor):
        @handler
        async def on_feed(self, message: Feed) -> None:
            await gate.wait()
            log.append("waited")

    class Works(Actor):
        @handler
        async def on_feed(self, message: Feed) -> None:
            log.append("worked")

    async with ActorSystem() as system:
        waiting = [system.spawn(Waits) for _ in range(40)]
        working = [system.spawn(Works) for _ in range(40)]
        for pair in zip(waiting, working, strict=True):
            for ref in pair:
                ref.tell_nowait(Feed())
        await system.quiescent()
        assert log == ["worked"] * 40
        gate.set()
        await system.quiescent()
        assert log.count("waited") == 40


class Tenant(Actor):
    @handler
    def on_set(self, message: SetUser) -> None:
        current_user.set("tenant")

    @handler
    async def on_set_and_wait(self, message: SetUserAndWait) -> None:
        current_user.set("waiting tenant")
        await asyncio.sleep(0)

    @handler
    async def on_who(self, message: WhoAmI) -> str:
        return current_user.get()


class SyncTenant(Actor):
    @handler
    def on_set(self, message: SetUser) -> None:
        current_user.set("tenant")

    @handler
    def on_who(self, message: WhoAmI) -> str:
        current_user.set("asked tenant")
        return current_user.get()


async def test_context_variables_do_not_leak_from_one_actor_into_another() -> None:
    async with ActorSystem() as system:
        first, second = system.spawn(Tenant), system.spawn(Tenant)
        for message in (SetUser(), SetUserAndWait()):
            await first.tell(message)
            await second.tell(Feed())
            queued = asyncio.create_task(second.ask(WhoAmI()))
            assert await queued == "nobody"
        sync = system.spawn(SyncTenant)
        await sync.tell(SetUser())
        assert await second.ask(WhoAmI()) == "nobody"


async def test_context_variables_do_not_leak_between_sync_actors_activated_in_one_go() -> None:
    seen: list[str] = []

    class Looks(Actor):
        @handler
        def on_feed(self, message: Feed) -> None:
            seen.append(current_user.get())

    async with ActorSystem() as system:
        first, second = system.spawn(SyncTenant), system.spawn(Looks)
        first.tell_nowait(SetUser())
        second.tell_nowait(Feed())
        await system.quiescent()
    assert seen == ["nobody"]


async def test_queued_asks_in_a_row_take_one_loop_pass_each() -> None:
    class Answers(Actor):
        @handler
        async def on_who(self, message: WhoAmI) -> str:
            return "me"

    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    async with ActorSystem() as system:
        ref = system.spawn(Answers, redeliver=True)  # which is never asked inline
        await ref.ask(WhoAmI())
        counter = asyncio.create_task(count())
        for _ in range(50):
            await ref.ask(WhoAmI())
        counter.cancel()
    assert 45 <= passes <= 55


async def test_context_variables_do_not_leak_between_asker_and_asked() -> None:
    async with ActorSystem() as system:
        current_user.set("asker")
        assert await system.spawn(Tenant).ask(WhoAmI()) == "nobody"
        assert await system.spawn(SyncTenant).ask(WhoAmI()) == "asked tenant"
        assert current_user.get() == "asker"


async def test_asyncio_timeouts_and_task_groups_work_inside_handlers() -> None:
    class Modern(Actor):
        @handler
        async def on_who(self, message: WhoAmI) -> str:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            except TimeoutError:
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(asyncio.sleep(0, "in time"))
                return task.result()
            return "never"

    async with ActorSystem() as system:
        ref = system.spawn(Modern)
        assert await ref.ask(WhoAmI()) == "in time"
        assert await asyncio.gather(*(ref.ask(WhoAmI()) for _ in range(3))) == ["in time"] * 3


@pytest.mark.parametrize("inline", [True, False])
async def test_even_an_exception_that_is_no_exception_fails_the_ask_and_restarts_the_actor(
    *, inline: bool
) -> None:
    class Evil(Actor):
        @handler
        async def on_who(self, message: WhoAmI) -> str:
            raise GeneratorExit

    async with ActorSystem() as system:
        evil = system.spawn(Evil)
        if not inline:
            await evil.tell(WhoAmI())
        with pytest.raises(ActorCrashed):
            await evil.ask(WhoAmI(), timeout=None)
        assert evil.is_alive


async def test_a_mistake_in_the_runtime_is_reported_and_does_not_hang_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true_run, broken = activation.run, [True]

    async def run(*arguments: Any) -> None:
        if broken.pop() if broken else False:
            raise RuntimeError("mistake")
        await true_run(*arguments)

    monkeypatch.setattr(runqueue, "run", run)
    async with ActorSystem() as system:
        first, second = system.spawn(Tenant), system.spawn(Tenant)
        first.tell_nowait(SetUser())
        second.tell_nowait(Feed())
        assert await second.ask(WhoAmI()) == "nobody"
        assert [str(failure.reason) for failure in system.failures] == ["mistake"]
