import asyncio
from dataclasses import dataclass

import pytest

from crucible.actors.runtime import Actor, ActorMisuse, handler
from crucible.actors.testkit import TestKit


@dataclass(frozen=True)
class Tick:
    number: int


@dataclass(frozen=True)
class Set:
    delay_s: float
    number: int
    key: object = None


@dataclass(frozen=True)
class Cancel:
    key: object


@dataclass(frozen=True)
class Run:
    outcome: str


class Boom:
    pass


class Hold:
    pass


class Host(Actor):
    def __init__(self, log: list[object]) -> None:
        self.log = log

    @handler
    def on_set(self, message: Set) -> None:
        self.context.schedule(message.delay_s, Tick(message.number), key=message.key)

    @handler
    def on_cancel(self, message: Cancel) -> None:
        self.log.append(self.context.cancel_timer(message.key))

    @handler
    def on_tick(self, message: Tick) -> None:
        self.log.append((self.context.clock.now(), message.number))

    @handler
    def on_boom(self, message: Boom) -> None:
        raise ValueError

    @handler
    async def on_run(self, message: Run) -> None:
        self.context.create_task(self._work(message.outcome), name="work")

    async def _work(self, outcome: str) -> None:
        try:
            await self.context.sleep(1)
            if outcome == "fail":
                raise OSError("background")
            self.log.append("done")
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


async def test_timers_fire_in_the_order_of_their_times() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        for delay, number in ((3, 3), (1, 1), (2, 2)):
            await ref.tell(Set(delay, number))
        await kit.advance(2.5)
        assert log == [(1, 1), (2, 2)]
        await kit.advance(0.5)
        assert log == [(1, 1), (2, 2), (3, 3)]


async def test_a_timer_replaces_the_one_with_its_key() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        await ref.tell(Set(1, 1, key="k"))
        await ref.tell(Set(2, 2, key="k"))
        await kit.advance(5)
    assert log == [(2, 2)]


async def test_a_cancelled_timer_does_not_fire() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        await ref.tell(Set(1, 1, key="k"))
        await ref.tell(Cancel("k"))
        await ref.tell(Cancel("k"))
        await kit.advance(5)
    assert log == [True, False]


async def test_timers_die_with_their_incarnation() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        await ref.tell(Set(1, 1))
        await ref.tell(Boom())
        await kit.advance(5)
        assert ref.is_alive
    assert log == []


@pytest.mark.parametrize("redeliver", [True, False])
async def test_timers_that_fired_before_a_crash_leave_the_room_in_the_mailbox(*, redeliver: bool) -> None:
    crash_now, start_now = asyncio.Event(), asyncio.Event()
    log: list[object] = []

    class Slow(Host):
        async def on_restart(self, reason: BaseException) -> None:
            await start_now.wait()

        @handler
        async def on_hold(self, message: Hold) -> None:
            if not crash_now.is_set():
                self.context.schedule(1, Tick(1))
                self.context.schedule(1, Tick(2))
                await crash_now.wait()
                raise ValueError

    async with TestKit() as kit:
        ref = kit.spawn(lambda: Slow(log), mailbox_capacity=1 + redeliver, redeliver=redeliver)
        await ref.tell(Hold())
        await kit.advance(1)
        crash_now.set()
        await kit.quiescent()
        ref.tell_nowait(Tick(3))
        start_now.set()
        await kit.quiescent()
        assert log == [(1, 3)]


async def test_a_background_task_runs_beside_the_actor() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        await ref.tell(Run("succeed"))
        await ref.tell(Set(0.5, 7))
        await kit.advance(2)
    assert log == [(0.5, 7), "done"]


async def test_a_failing_background_task_crashes_its_actor() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host([]))
        await ref.tell(Run("fail"))
        await kit.advance(2)
        now = ref.statistics()
        assert (now.failed, now.restarts) == (1, 1)


async def test_background_tasks_are_cancelled_with_their_incarnation() -> None:
    log: list[object] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Host(log))
        await ref.tell(Run("succeed"))
        await ref.tell(Boom())
        await kit.quiescent()
        assert log == ["cancelled"]
        await ref.tell(Run("succeed"))
        await kit.quiescent()
        await ref.stop()
        assert log == ["cancelled", "cancelled"]


async def test_a_stopping_actor_starts_no_more_tasks() -> None:
    refusals: list[str] = []

    class Late(Actor):
        async def on_stop(self) -> None:
            try:
                self.context.create_task(asyncio.sleep(0))
            except ActorMisuse as error:
                refusals.append(str(error))

    async with TestKit() as kit:
        await kit.spawn(Late, name="late").stop()
    assert refusals == ["actor test/late: is stopping or restarting and cannot start a task"]
