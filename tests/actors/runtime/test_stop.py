import asyncio
import time
from dataclasses import dataclass

import pytest

from crucible.actors.runtime import (
    Actor,
    ActorMisuse,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Asks,
    Unkillable,
    handler,
)
from crucible.actors.testkit import TestKit


@dataclass(frozen=True)
class Work:
    number: int = 0


class Hang:
    pass


class Question(Asks[None]):
    pass


class Worker(Actor):
    def __init__(self, log: list[object] | None = None) -> None:
        self.log: list[object] = [] if log is None else log
        self.gate = asyncio.Event()

    @handler
    async def on_work(self, message: Work) -> None:
        await asyncio.sleep(0)
        self.log.append(message.number)

    @handler
    async def on_hang(self, message: Hang) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("unwound")


async def test_a_stop_overtakes_what_waits_and_lets_the_current_message_finish() -> None:
    log: list[object] = []

    class Gated(Worker):
        @handler
        async def on_gate(self, message: asyncio.Event) -> None:
            await message.wait()
            self.log.append("current")

    async with ActorSystem() as system:
        ref = system.spawn(lambda: Gated(log))
        gate = asyncio.Event()
        await ref.tell(gate)
        for number in range(100):
            await ref.tell(Work(number))
        await system.quiescent()
        stopping = asyncio.create_task(ref.stop(grace=30))
        await asyncio.sleep(0)
        gate.set()
        await stopping
        assert log == ["current"]
        assert system.dead_letters.count == 100


async def test_a_hanging_handler_is_cancelled_after_the_grace() -> None:
    log: list[object] = []
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Worker(log))
        await ref.tell(Hang())
        await system.quiescent()
        began = time.monotonic()
        await ref.stop(grace=0.05)
        assert 0.04 <= time.monotonic() - began < 2
        assert log == ["unwound"]


async def test_the_grace_is_shared_by_the_whole_tree() -> None:
    async with ActorSystem() as system:
        for _ in range(20):
            await system.spawn(Worker).tell(Hang())
        await system.quiescent()
        began = time.monotonic()
        await system.stop(grace=0.1)
        assert time.monotonic() - began < 1.5


async def test_a_handler_that_ignores_cancellation_is_reported_with_its_name_and_left_behind() -> None:
    release = asyncio.Event()

    class Stubborn(Actor):
        @handler
        async def on_hang(self, message: Hang) -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    async with ActorSystem() as system:
        ref = system.spawn(Stubborn, name="stubborn")
        await ref.tell(Hang())
        await system.quiescent()
        await ref.stop(grace=0)
        (failure,) = system.failures
        assert isinstance(failure.reason, Unkillable)
        assert "Stubborn.on_hang" in str(failure.reason)
        assert "crucible/stubborn" in str(failure.reason)
        release.set()


async def test_children_stop_before_their_parent_in_reverse_order() -> None:
    log: list[str] = []

    class Node(Actor):
        def __init__(self, name: str, children: tuple[str, ...] = ()) -> None:
            self.name = name
            self.children = children

        async def on_start(self) -> None:
            for name in self.children:
                self.context.spawn(lambda name=name: Node(name), name=name)  # type: ignore[misc]  # lambda default

        async def on_stop(self) -> None:
            log.append(self.name)

    async with TestKit() as kit:
        ref = kit.spawn(lambda: Node("top", ("a", "b", "c")))
        await kit.quiescent()
        await ref.stop()
    assert log == ["c", "b", "a", "top"]


async def test_an_actor_may_stop_itself_after_the_current_message() -> None:
    log: list[str] = []

    class Brief(Actor):
        @handler
        async def on_work(self, message: Work) -> None:
            self.context.stop_self()
            log.append("finished")

    async with TestKit() as kit:
        ref = kit.spawn(Brief)
        await ref.tell(Work())
        await ref.tell(Work())
        await kit.quiescent()
        assert log == ["finished"]
        assert not ref.is_alive


async def test_an_actor_that_awaits_its_own_stop_does_not_wait_for_itself() -> None:
    log: list[str] = []

    class Brief(Actor):
        @handler
        async def on_work(self, message: Work) -> None:
            await self.ref.stop(grace=30)
            log.append("went on")

    async with ActorSystem() as system:
        ref = system.spawn(Brief)
        await ref.tell(Work())
        await system.quiescent()
        assert log == ["went on"]
        assert not ref.is_alive


async def test_a_failing_stop_hook_is_reported_and_does_not_prevent_the_stop() -> None:
    class Messy(Actor):
        async def on_stop(self) -> None:
            raise OSError("disk")

    async with ActorSystem() as system:
        ref = system.spawn(Messy)
        await ref.stop()
        assert not ref.is_alive
        (failure,) = system.failures
        assert "in on_stop: OSError: disk" in str(failure.reason)


async def test_stopping_twice_is_harmless() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Worker)
        await ref.tell(Hang())
        await system.quiescent()
        await asyncio.gather(ref.stop(grace=0), ref.stop(grace=0))
        await ref.stop()


async def test_an_idle_actor_takes_nothing_once_its_stop_has_begun() -> None:
    log: list[object] = []
    hook_runs, hook_may_end = asyncio.Event(), asyncio.Event()

    class Lingering(Worker):
        async def on_stop(self) -> None:
            hook_runs.set()
            await hook_may_end.wait()

    async with ActorSystem() as system:
        ref = system.spawn(lambda: Lingering(log))
        stopping = asyncio.create_task(ref.stop(grace=30))
        await hook_runs.wait()
        for expected in (2, 4):  # while it stops, and once it has stopped
            await ref.tell(Work())
            ref.tell_nowait(Work())
            with pytest.raises(ActorStopped):
                await ref.ask(Question())
            assert system.dead_letters.count == ref.statistics().dropped == expected
            hook_may_end.set()
            await stopping
        assert log == []


async def test_no_task_is_left_when_the_system_has_stopped() -> None:
    class Busy(Worker):
        async def on_start(self) -> None:
            self.context.create_task(asyncio.Event().wait(), name="background")
            self.context.schedule(3600, Work())
            self.context.spawn(Worker)

    before = asyncio.all_tasks()
    async with ActorSystem() as system:
        for _ in range(5):
            ref = system.spawn(Busy)
            await ref.tell(Work())
            await ref.tell(Hang())
        await system.quiescent()
        asks = len(asyncio.all_tasks() - before)
        assert asks >= 5
        await system.stop(grace=0)
        assert asyncio.all_tasks() == before


async def test_leaving_the_block_by_cancellation_stops_the_actors() -> None:
    log: list[object] = []
    entered = asyncio.Event()

    async def run() -> None:
        async with ActorSystem() as system:
            await system.spawn(lambda: Worker(log)).tell(Hang())
            await system.quiescent()
            entered.set()
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    running = asyncio.create_task(run())
    await entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log == ["unwound"]
    assert asyncio.all_tasks() == before


async def test_names_are_unique_among_siblings_and_free_again_after_a_stop() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Worker, name="one")
        with pytest.raises(ActorMisuse, match="already has a child named 'one'"):
            system.spawn(Worker, name="one")
        await ref.stop()
        assert system.spawn(Worker, name="one").path == "crucible/one"


async def test_a_stopped_system_spawns_nothing() -> None:
    async with ActorSystem() as system:
        pass
    with pytest.raises(ActorMisuse, match="cannot spawn"):
        system.spawn(Worker)


async def test_the_tree_can_be_printed() -> None:
    class Top(Actor):
        async def on_start(self) -> None:
            self.context.spawn(Worker, name="leaf")

    async with TestKit(name="lab") as kit:
        top: ActorRef = kit.spawn(Top, name="top")
        await kit.quiescent()
        assert kit.system.tree() == (
            "lab\n"
            "  top (Top) idle, 0 waiting, 0 handled, 0 restarts\n"
            "    leaf (Worker) idle, 0 waiting, 0 handled, 0 restarts"
        )
        assert top.is_alive
