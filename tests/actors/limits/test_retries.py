"""Retries: which errors are asked again, how often, after what wait."""

import asyncio
import itertools

import pytest

from crucible.actors.backoff import retry_delay
from crucible.actors.limits import Answer, Gate, RetryPolicy, Watcher, ask_with_retries
from crucible.actors.limits.gate import Demand, Pool
from crucible.actors.limits.money import Money
from crucible.actors.limits.windows import SlidingWindow
from crucible.actors.runtime import VirtualClock
from crucible.messages.errors import BackendError, ConnectionFailedError, OverloadedError, RateLimitedError
from crucible.messages.records import Completion, Prompt
from crucible.messages.requests import BackendReply, BackendRequest

REQUEST = BackendRequest(key="k", example_id="e", prompt=Prompt(text="?"))
REPLY = BackendReply(completions=(Completion(text="!"),))


class Scripted:
    """Raises or returns what it was given, in turn, and keeps the requests."""

    def __init__(self, *script: BaseException | BackendReply) -> None:
        self.script = list(script)
        self.requests: list[BackendRequest] = []

    async def sample(self, request: BackendRequest) -> BackendReply:
        self.requests.append(request)
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step


class Watching(Watcher):
    """Notes what it is told."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.sent_at: list[float] = []
        self.failures: list[str] = []

    def sent(self) -> None:
        self.sent_at.append(self._clock.now())

    def failed(self, why: str) -> None:
        self.failures.append(why)


async def ask(sampler: Scripted, **policy: float) -> tuple[object, list[float]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    ticks = itertools.count()
    answer = await ask_with_retries(
        sampler,
        REQUEST,
        RetryPolicy(**policy),  # type: ignore[arg-type]  # the values fit their fields
        now=lambda: float(next(ticks)),
        sleep=sleep,
    )
    return answer, waits


async def test_a_transient_error_is_asked_again_until_there_is_an_answer() -> None:
    sampler = Scripted(OverloadedError("busy"), OverloadedError("busy"), REPLY)
    answer, waits = await ask(sampler)
    assert (answer.reply, answer.attempts, len(waits)) == (REPLY, 3, 2)  # type: ignore[attr-defined]


async def test_each_attempt_carries_its_number_and_the_same_key() -> None:
    sampler = Scripted(OverloadedError("busy"), REPLY)
    await ask(sampler)
    assert [(r.key, r.attempt) for r in sampler.requests] == [("k", 1), ("k", 2)]


async def test_a_final_error_is_not_asked_again() -> None:
    sampler = Scripted(BackendError("no such model"), REPLY)
    answer, waits = await ask(sampler)
    assert answer.error == "BackendError: no such model"  # type: ignore[attr-defined]
    assert (len(sampler.requests), waits) == (1, [])


async def test_the_last_error_is_the_answer_when_the_attempts_are_used_up() -> None:
    answer, _ = await ask(Scripted(*[OverloadedError(f"busy {i}") for i in range(3)]), max_attempts=3)
    assert answer.error == "OverloadedError: busy 2"  # type: ignore[attr-defined]
    assert answer.attempts == 3  # type: ignore[attr-defined]


async def test_a_wait_is_never_shorter_than_the_server_asked_for() -> None:
    _, waits = await ask(Scripted(RateLimitedError("slow down", retry_after_s=7.5), REPLY), base_s=0.01)
    assert waits == [7.5]


async def test_a_bug_in_a_backend_gets_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(Scripted(ZeroDivisionError()))


async def test_whoever_waits_is_told_of_each_failure_that_is_asked_again() -> None:
    clock = VirtualClock()
    watcher = Watching(clock)
    sampler = Scripted(ConnectionFailedError("down"), ConnectionFailedError("still down"), REPLY)
    policy = RetryPolicy(max_attempts=3, base_s=0)
    await ask_with_retries(sampler, REQUEST, policy, watcher=watcher, now=clock.now)
    assert watcher.failures == ["ConnectionFailedError: down", "ConnectionFailedError: still down"]


def test_waits_grow_up_to_the_cap_and_can_be_repeated() -> None:
    ceilings = [retry_delay("k", n, base_s=1, cap_s=4) for n in range(1, 60)]
    assert all(0 <= wait <= 4 for wait in ceilings)
    assert ceilings == [retry_delay("k", n, base_s=1, cap_s=4) for n in range(1, 60)]
    assert max(retry_delay(f"k{i}", 1, base_s=1, cap_s=4) for i in range(200)) <= 1


async def test_waiting_at_the_gate_counts_neither_as_latency_nor_towards_the_time_out() -> None:
    clock = VirtualClock()
    watcher = Watching(clock)
    gate = Gate(Pool("p", clock, requests=SlidingWindow(1)), lambda _request: Demand(1, 0))
    gate.pool.admit_nowait(Demand(1, 0))

    async def ask_one() -> Answer:
        return await ask_with_retries(
            Scripted(REPLY),
            REQUEST,
            RetryPolicy(timeout_s=5),
            gate=gate,
            watcher=watcher,
            now=clock.now,
            sleep=clock.sleep,
        )

    task = asyncio.ensure_future(ask_one())
    await asyncio.sleep(0)
    await clock.advance(60)
    answer = await task
    assert (answer.attempts, answer.latency_s, watcher.sent_at) == (1, 0.0, [60.0])


async def test_every_retry_passes_the_gate_and_without_money_the_last_is_not_sent() -> None:
    money = Money(0.025)
    gate = Gate(Pool("p", VirtualClock(), money=money), lambda _request: Demand(1, 10_000_000))
    sampler = Scripted(*[ConnectionFailedError("broken")] * 5)
    answer = await ask_with_retries(
        sampler, REQUEST, RetryPolicy(max_attempts=5, base_s=0), gate=gate, now=lambda: 0.0
    )
    assert len(sampler.requests) == 2
    assert answer.attempts == 2
    assert answer.error is not None
    assert answer.error.startswith("BudgetError: the money budget of $0.025 is used up: up to $0.02 is spent")
