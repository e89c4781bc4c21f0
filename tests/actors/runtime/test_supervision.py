import asyncio
import itertools
import logging
import random
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from crucible.actors.runtime import (
    Actor,
    ActorCrashed,
    ActorRef,
    ActorSystem,
    Asks,
    Backoff,
    ChildFailed,
    DeadLetter,
    Directive,
    RestartIntensity,
    RestartsExhausted,
    RestartType,
    Strategy,
    SupervisionPolicy,
    handler,
)
from crucible.actors.runtime.supervision import admit_restart
from crucible.actors.testkit import TestKit


@dataclass(frozen=True)
class Note:
    text: str


@dataclass(frozen=True)
class Boom:
    text: str = "boom"


class Quit:
    pass


class EscalateError(Exception):
    pass


class Child(Actor):
    """Writes its life into a log; crashes on Boom."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    async def on_start(self) -> None:
        self.log.append(f"+{self.name}")

    async def on_stop(self) -> None:
        self.log.append(f"-{self.name}")

    @handler
    async def on_note(self, message: Note) -> None:
        self.log.append(f"{self.name}:{message.text}")

    @handler
    async def on_boom(self, message: Boom) -> None:
        raise EscalateError if message.text == "escalate" else ValueError(message.text)

    @handler
    def on_quit(self, message: Quit) -> None:
        self.context.stop_self()


class Parent(Actor):
    """Spawns the children a, b and c; remembers what it is told about them."""

    def __init__(
        self, log: list[str], policy: SupervisionPolicy, restart: RestartType, children: dict[str, ActorRef]
    ) -> None:
        self.log = log
        self.policy = policy
        self.restart = restart
        self.refs = children

    async def on_start(self) -> None:
        self.log.append("+parent")
        for name in "abc":
            self.refs[name] = self.context.spawn(
                lambda name=name: Child(self.log, name),  # type: ignore[misc]  # mypy: lambda default
                name=name,
                policy=self.policy,
                restart=self.restart,
            )

    async def on_stop(self) -> None:
        self.log.append("-parent")


def family(
    kit: TestKit, log: list[str], policy: SupervisionPolicy, restart: RestartType = "transient"
) -> tuple[ActorRef, dict[str, ActorRef]]:
    children: dict[str, ActorRef] = {}
    return kit.spawn(lambda: Parent(log, policy, restart, children), name="parent"), children


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["-b", "+b"]),
        ("one_for_all", ["-c", "-b", "-a", "+a", "+b", "+c"]),
        ("rest_for_one", ["-c", "-b", "+b", "+c"]),
    ],
)
async def test_a_strategy_stops_in_reverse_order_and_starts_in_order(
    strategy: Strategy, expected: list[str]
) -> None:
    log: list[str] = []
    async with TestKit() as kit:
        _, children = family(kit, log, SupervisionPolicy(strategy=strategy))
        await kit.quiescent()
        log.clear()
        await children["b"].tell(Boom())
        await kit.quiescent()
        assert log == expected


async def test_messages_around_a_crash_are_handled_and_the_culprit_is_a_dead_letter() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Child(log, "x"))
        for message in (Note("a"), Boom(), Note("b"), Note("c")):
            await ref.tell(message)
        await kit.quiescent()
        assert log == ["+x", "x:a", "-x", "+x", "x:b", "x:c"]
        assert list(kit.system.dead_letters) == [DeadLetter(ref, Boom(), "crashed")]
        assert ref.statistics().restarts == 1


async def test_a_restart_makes_a_new_instance_with_fresh_state() -> None:
    made: list[Actor] = []

    class Fresh(Actor):
        def __init__(self) -> None:
            made.append(self)

        @handler
        def on_boom(self, message: Boom) -> None:
            raise ValueError

    async with TestKit() as kit:
        ref = kit.spawn(Fresh)
        await ref.tell(Boom())
        await kit.quiescent()
    assert len(made) == 2


@pytest.mark.parametrize(
    ("restart", "message", "survives"),
    [
        ("permanent", Boom(), True),
        ("permanent", Quit(), True),
        ("transient", Boom(), True),
        ("transient", Quit(), False),
        ("temporary", Boom(), False),
        ("temporary", Quit(), False),
    ],
)
async def test_the_restart_type_says_what_ends_an_actor(
    restart: RestartType, message: object, *, survives: bool
) -> None:
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Child([], "x"), restart=restart)
        await ref.tell(message)
        await kit.quiescent()
        assert ref.is_alive is survives
        assert ref.statistics().restarts == (1 if survives else 0)


class Worker(Actor):
    """Notes which instance handles what, by async handlers and no hooks."""

    def __init__(self, log: list[str], number: int) -> None:
        self.log = log
        self.number = number

    @handler
    async def on_note(self, message: Note) -> None:
        self.log.append(f"{self.number}:{message.text}")

    @handler
    async def on_quit(self, message: Quit) -> None:
        self.context.stop_self()


class SyncWorker(Actor):
    """The same by sync handlers."""

    def __init__(self, log: list[str], number: int) -> None:
        self.log = log
        self.number = number

    @handler
    def on_note(self, message: Note) -> None:
        self.log.append(f"{self.number}:{message.text}")

    @handler
    def on_quit(self, message: Quit) -> None:
        self.context.stop_self()


@pytest.mark.parametrize("kind", [Worker, SyncWorker])
async def test_what_waits_when_a_permanent_actor_ends_is_handled_once_by_the_next_incarnation(
    kind: type[Worker | SyncWorker],
) -> None:
    log: list[str] = []
    numbers = itertools.count(1)
    async with TestKit() as kit:
        ref = kit.spawn(lambda: kind(log, next(numbers)), restart="permanent")
        for message in (Note("a"), Quit(), Note("b"), Note("c")):
            ref.tell_nowait(message)
        await kit.quiescent()
        assert log == ["1:a", "2:b", "2:c"]
        assert ref.statistics().received == 5  # the four messages, and the failure of ending by itself


async def test_a_made_up_name_avoids_one_that_was_chosen() -> None:
    async with TestKit() as kit:
        chosen = kit.spawn(lambda: Child([], "x"), name="Child-1")
        others = [kit.spawn(lambda: Child([], "x")) for _ in range(2)]
        assert len({chosen.name, *(ref.name for ref in others)}) == 3


async def test_an_actor_stopped_from_outside_is_not_restarted_even_if_permanent() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Child([], "x"), restart="permanent")
        await ref.stop()
        await kit.quiescent()
        assert not ref.is_alive


async def test_temporary_siblings_are_stopped_but_not_restarted_by_one_for_all() -> None:
    log: list[str] = []
    policy = SupervisionPolicy(strategy="one_for_all")

    class Mixed(Actor):
        async def on_start(self) -> None:
            self.context.spawn(lambda: Child(log, "t"), name="t", policy=policy, restart="temporary")
            self.context.spawn(lambda: Child(log, "p"), name="p", policy=policy)

        @handler
        async def on_boom(self, message: Boom) -> None:
            await self.context.children[1].tell(message)

    async with TestKit() as kit:
        ref = kit.spawn(Mixed)
        await ref.tell(Boom())
        await kit.quiescent()
        assert log == ["+t", "+p", "-p", "-t", "+p"]


async def test_siblings_keep_their_mailboxes_over_a_restart_of_the_group() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        policy = SupervisionPolicy(
            strategy="one_for_all", backoff=Backoff(initial_s=1, jitter=0), intensity=RestartIntensity(3, 60)
        )
        _, children = family(kit, log, policy)
        await kit.quiescent()
        await children["a"].tell(Boom())
        await kit.quiescent()
        log.clear()
        await children["c"].tell(Note("kept"))
        await kit.quiescent()
        assert log == [], "waits for the backoff"
        await kit.advance(1)
        assert log == ["+a", "+b", "+c", "c:kept"]


async def test_too_many_restarts_fail_the_supervisor_which_is_restarted_in_its_turn() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        parent, children = family(kit, log, SupervisionPolicy(intensity=RestartIntensity(2, 60)))
        await kit.quiescent()
        for _ in range(2):
            await children["a"].tell(Boom())
        await kit.quiescent()
        assert parent.statistics().restarts == 0
        log.clear()
        await children["b"].tell(Boom())
        await kit.quiescent()
        assert log == ["-c", "-b", "-a", "-parent", "+parent", "+a", "+b", "+c"]
        assert parent.statistics().restarts == 1


async def test_old_restarts_do_not_count() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(
            lambda: Child([], "x"), policy=SupervisionPolicy(intensity=RestartIntensity(1, period_s=10))
        )
        for _ in range(5):
            await ref.tell(Boom())
            await kit.quiescent()
            await kit.advance(11)
        assert ref.is_alive
        assert ref.statistics().restarts == 5


async def test_a_failure_that_reaches_the_root_is_raised_on_leaving() -> None:
    with pytest.raises(RestartsExhausted, match=r"crucible/x.*more than 1 times in 5 s.*ValueError: boom"):  # noqa: PT012
        async with ActorSystem() as system:
            policy = SupervisionPolicy(intensity=RestartIntensity(1))
            ref = system.spawn(lambda: Child([], "x"), name="x", policy=policy)
            other = system.spawn(lambda: Child([], "y"), name="y", policy=policy)
            await ref.tell(Boom())
            await ref.tell(Boom())
            await system.quiescent()
            assert not ref.is_alive
            assert other.is_alive, "one_for_one: only the culprit is given up"


async def test_a_failure_that_somebody_looked_at_is_not_raised_again() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(
            lambda: Child([], "x"), policy=SupervisionPolicy(intensity=RestartIntensity(max_restarts=0))
        )
        await ref.tell(Boom())
        await system.quiescent()
        (failure,) = system.failures
        assert failure.ref is ref
        assert isinstance(failure.reason, RestartsExhausted)


async def test_the_error_of_the_block_itself_is_not_masked_by_failures() -> None:
    with pytest.raises(KeyError):  # noqa: PT012
        async with ActorSystem() as system:
            ref = system.spawn(
                lambda: Child([], "x"), policy=SupervisionPolicy(intensity=RestartIntensity(max_restarts=0))
            )
            await ref.tell(Boom())
            await system.quiescent()
            raise KeyError("mine")


@pytest.mark.parametrize("directive", ["restart", "stop", "escalate"])
async def test_a_decider_chooses_by_exception(directive: Directive) -> None:
    def decide(error: BaseException) -> Directive | None:
        return directive if isinstance(error, EscalateError) else None

    log: list[str] = []
    async with TestKit() as kit:
        parent, children = family(kit, log, SupervisionPolicy(decider=decide))
        await kit.quiescent()
        a = children["a"]
        await a.tell(Boom("escalate"))
        await kit.quiescent()
        assert a.is_alive is (directive == "restart")
        assert parent.statistics().restarts == (1 if directive == "escalate" else 0)


async def test_a_parent_decides_with_the_message_and_the_child_at_hand() -> None:
    seen: list[ChildFailed] = []

    class Judge(Actor):
        async def on_start(self) -> None:
            self.context.spawn(lambda: Child([], "x"), name="x")

        def on_child_failure(self, failure: ChildFailed) -> Directive:
            return "stop" if failure.message == Boom("twice") else failure.directive

        @handler
        async def on_boom(self, message: Boom) -> None:
            await self.context.children[0].tell(message)

        @handler
        def on_child_failed(self, message: ChildFailed) -> None:
            seen.append(message)

    async with TestKit() as kit:
        judge = kit.spawn(Judge)
        await judge.tell(Boom("once"))
        await kit.quiescent()
        await judge.tell(Boom("twice"))
        await kit.quiescent()
        assert [(str(one.reason), one.message, one.directive) for one in seen] == [
            ("once", Boom("once"), "restart"),
            ("twice", Boom("twice"), "stop"),
        ]
        assert not seen[0].child.is_alive


async def test_a_broken_decision_is_the_parents_failure() -> None:
    def decide(error: BaseException) -> Directive:
        raise LookupError("cannot decide")

    log: list[str] = []
    async with TestKit() as kit:
        parent, children = family(kit, log, SupervisionPolicy(decider=decide))
        await kit.quiescent()
        await children["a"].tell(Boom())
        await kit.quiescent()
        assert parent.statistics().restarts == 1


async def test_redelivery_handles_the_message_of_a_crash_first_after_the_restart() -> None:
    attempts = 0
    log: list[str] = []

    class Flaky(Child):
        async def on_boom(self, message: Boom) -> None:
            nonlocal attempts
            attempts += 1
            if attempts < 3:
                raise ValueError("not yet")
            self.log.append("done")

    async with TestKit() as kit:
        ref = kit.spawn(lambda: Flaky(log, "x"), redeliver=True)
        await ref.tell(Boom())
        await ref.tell(Note("after"))
        await kit.quiescent()
        assert log == ["+x", "-x", "+x", "-x", "+x", "done", "x:after"]
        assert kit.system.dead_letters.count == 0


async def test_redelivery_gives_up_with_the_restarts() -> None:
    async with TestKit() as kit:
        log: list[str] = []
        ref = kit.spawn(
            lambda: Child(log, "x"),
            redeliver=True,
            policy=SupervisionPolicy(intensity=RestartIntensity(max_restarts=2, period_s=60)),
        )
        await ref.tell(Boom())
        await kit.quiescent()
        assert not ref.is_alive
        assert ref.statistics().failed == 3
        assert [letter.message for letter in kit.system.dead_letters] == [Boom()]
        assert len(kit.system.failures) == 1


async def test_a_redelivered_ask_is_answered_by_the_next_incarnation() -> None:
    class Try(Asks[int]):
        pass

    attempts = 0

    class Flaky(Actor):
        @handler
        async def on_try(self, message: Try) -> int:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise ValueError("first")
            return attempts

    async with TestKit() as kit:
        assert await kit.spawn(Flaky, redeliver=True).ask(Try()) == 2


async def test_backoff_grows_up_to_its_limit_and_starts_again_after_a_quiet_time() -> None:
    starts: list[float] = []

    class Starter(Actor):
        async def on_start(self) -> None:
            starts.append(self.context.clock.now())

        @handler
        def on_boom(self, message: Boom) -> None:
            raise ValueError

    backoff = Backoff(initial_s=1, max_s=4, factor=2, jitter=0, reset_after_s=100)
    async with TestKit() as kit:
        policy = SupervisionPolicy(intensity=RestartIntensity(100, 1000), backoff=backoff)
        ref = kit.spawn(Starter, policy=policy)
        for _ in range(4):
            await ref.tell(Boom())
        await kit.advance(50)
        await kit.advance(100)
        await ref.tell(Boom())
        await kit.advance(1)
    assert starts == [0, 1, 3, 7, 11, 151]


def test_jitter_is_seeded_and_stays_within_its_share() -> None:
    backoff = Backoff(initial_s=10, max_s=10, jitter=0.2)
    first = [backoff.delay_s(n, random.Random("0:path")) for n in range(5)]
    assert first == [backoff.delay_s(n, random.Random("0:path")) for n in range(5)]
    generator = random.Random(1)
    spread = [backoff.delay_s(0, generator) for _ in range(100)]
    assert all(8 <= delay <= 12 for delay in spread)
    assert max(spread) - min(spread) > 1


async def test_an_actor_stopped_during_its_backoff_stays_stopped() -> None:
    log: list[str] = []
    async with TestKit() as kit:
        ref = kit.spawn(
            lambda: Child(log, "x"), policy=SupervisionPolicy(backoff=Backoff(initial_s=10, jitter=0))
        )
        await ref.tell(Boom())
        await kit.quiescent()
        await ref.stop()
        await kit.advance(20)
        assert log == ["+x", "-x"]


async def test_an_exception_of_the_factory_goes_to_the_one_who_spawns() -> None:
    def broken() -> Child:
        raise RuntimeError("no parts")

    async with ActorSystem() as system:
        with pytest.raises(RuntimeError, match="no parts"):
            system.spawn(broken, name="x")
        system.spawn(lambda: Child([], "x"), name="x")


async def test_a_factory_that_fails_on_a_restart_counts_as_one_more_failure() -> None:
    made = 0

    def make() -> Child:
        nonlocal made
        made += 1
        if 1 < made < 4:
            raise RuntimeError("no parts")
        return Child([], "x")

    async with TestKit() as kit:
        ref = kit.spawn(make)
        await ref.tell(Boom())
        await kit.quiescent()
        assert (made, ref.is_alive, ref.statistics().failed) == (4, True, 3)


async def test_a_crash_in_on_start_is_supervised() -> None:
    starts = 0

    class Stumbling(Actor):
        async def on_start(self) -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise ValueError("slipped")

        @handler
        def on_note(self, message: Note) -> None:
            pass

    async with TestKit() as kit:
        ref = kit.spawn(Stumbling)
        await ref.tell(Note("kept"))
        await kit.quiescent()
        assert (starts, ref.statistics().handled) == (2, 1)


async def test_on_restart_tells_the_new_incarnation_why() -> None:
    reasons: list[str] = []

    class Curious(Child):
        async def on_restart(self, reason: BaseException) -> None:
            reasons.append(str(reason))

    async with TestKit() as kit:
        ref = kit.spawn(lambda: Curious([], "x"))
        await ref.tell(Boom("because"))
        await kit.quiescent()
    assert reasons == ["because"]


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_restarted_actor_does_not_keep_the_instance_before_alive(
    caplog: pytest.LogCaptureFixture, *, hooked: bool
) -> None:
    class Plain(Actor):
        @handler
        async def on_boom(self, message: Boom) -> None:
            raise ValueError(message.text)

        @handler
        def on_note(self, message: Note) -> None:
            pass

    class Hooked(Plain):
        async def on_restart(self, reason: BaseException) -> None:
            assert str(reason) == "boom"

    instances: list[weakref.ref[Actor]] = []

    def make() -> Actor:
        actor = Hooked() if hooked else Plain()
        instances.append(weakref.ref(actor))
        return actor

    caplog.set_level(logging.CRITICAL)  # the log that pytest keeps holds on to the exception
    async with TestKit() as kit:
        ref = kit.spawn(make)
        await ref.tell(Boom())
        await ref.tell(Note("after"))
        await kit.quiescent()
        assert [instance() is None for instance in instances] == [True, False]


async def test_a_cancelled_error_nobody_asked_for_is_a_crash() -> None:
    class Careless(Actor):
        @handler
        async def on_boom(self, message: Boom) -> None:
            inner = asyncio.get_running_loop().create_future()
            inner.cancel()
            await inner

    async with TestKit() as kit:
        ref = kit.spawn(Careless)
        await ref.tell(Boom())
        await kit.quiescent()
        now = ref.statistics()
        assert (now.failed, now.restarts) == (1, 1)


async def test_escalation_cancels_the_handler_of_the_supervisor() -> None:
    ended: list[str] = []

    class Busy(Actor):
        async def on_start(self) -> None:
            self.child = self.context.spawn(
                lambda: Child([], "x"), policy=SupervisionPolicy(intensity=RestartIntensity(0))
            )

        @handler
        async def on_boom(self, message: Boom) -> None:
            await self.child.tell(message)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

    async with TestKit() as kit:
        ref = kit.spawn(Busy)
        await ref.tell(Boom())
        await kit.quiescent()
        assert ended == ["cancelled"]
        assert ref.statistics().restarts == 1


async def test_the_asker_of_a_supervisor_that_fails_over_a_child_gets_the_reason() -> None:
    class Work(Asks[int]):
        pass

    class Busy(Actor):
        async def on_start(self) -> None:
            self.child = self.context.spawn(
                lambda: Child([], "x"), policy=SupervisionPolicy(intensity=RestartIntensity(0))
            )

        @handler
        async def on_work(self, message: Work) -> int:
            await self.child.tell(Boom())
            await asyncio.Event().wait()
            return 1

    async with TestKit() as kit:
        with pytest.raises(ActorCrashed) as caught:
            await kit.spawn(Busy).ask(Work(), timeout=None)
        assert isinstance(caught.value.__cause__, RestartsExhausted)


def test_the_intensity_counts_a_sliding_window() -> None:
    history: deque[float] = deque()
    intensity = RestartIntensity(max_restarts=2, period_s=10)
    assert [admit_restart(intensity, history, now) for now in (0, 5, 11, 12)] == [True, True, True, False]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: RestartIntensity(-1),
        lambda: RestartIntensity(1, 0),
        lambda: Backoff(initial_s=0),
        lambda: Backoff(jitter=1),
        lambda: SupervisionPolicy(strategy="none_for_all"),  # type: ignore[arg-type]  # the point
    ],
)
def test_impossible_policies_are_refused(broken: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown strategy"):
        broken()


@pytest.mark.parametrize("redeliver", [True, False])
async def test_a_sibling_swept_along_mid_message_redelivers_it_or_fails_its_asker(*, redeliver: bool) -> None:
    class Slow(Asks[str]):
        pass

    policy = SupervisionPolicy(strategy="one_for_all")
    runs = 0

    class Sibling(Actor):
        @handler
        async def on_slow(self, message: Slow) -> str:
            nonlocal runs
            runs += 1
            if runs == 1:
                await asyncio.Event().wait()
            return f"run {runs}"

    async with TestKit() as kit:
        culprit = kit.spawn(lambda: Child([], "culprit"), policy=policy)
        sibling = kit.spawn(Sibling, policy=policy, redeliver=redeliver)
        asking = asyncio.create_task(sibling.ask(Slow(), timeout=None))
        await kit.quiescent()
        await culprit.tell(Boom())
        if redeliver:
            assert await asking == "run 2"
        else:
            with pytest.raises(ActorCrashed, match="ValueError: boom"):
                await asking
