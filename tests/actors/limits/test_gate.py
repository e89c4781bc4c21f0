"""The gate: order, waiting, giving back; in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from crucible.actors.limits import RetryPolicy, ask_with_retries
from crucible.actors.limits.congestion import CongestionWindow
from crucible.actors.limits.gate import Demand, Gate, Lease, Pool
from crucible.actors.limits.money import Money
from crucible.actors.limits.windows import SlidingWindow
from crucible.actors.runtime import VirtualClock
from crucible.messages.errors import (
    BackendError,
    BudgetError,
    ConnectionFailedError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
    TransientError,
)
from crucible.messages.records import Completion, Prompt, Usage
from crucible.messages.requests import BackendReply, BackendRequest

CENT = 10_000_000


def reply(tokens: int = 0, cost_usd: float | None = None) -> BackendReply:
    usage = Usage(prompt_tokens=tokens)
    return BackendReply(completions=(Completion(text="!"),), usage=usage, cost_usd=cost_usd)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Waiting:
    """Some requests at a gate."""

    def __init__(self, **limits: Any) -> None:
        self.clock = VirtualClock()
        self.clock.attach(settled)
        self.pool = Pool("p", self.clock, **limits)

    async def ask(self, *demands: Demand) -> list[asyncio.Task[Lease]]:
        tasks = [asyncio.ensure_future(self.pool.admit(demand)) for demand in demands]
        await settled()
        return tasks


def through(tasks: list[asyncio.Task[Lease]]) -> list[bool]:
    return [task.done() and not task.cancelled() for task in tasks]


async def end(tasks: list[asyncio.Task[Lease]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


ONE = Demand(1, 0)


async def test_without_limits_nobody_waits() -> None:
    at = Waiting()
    assert through(await at.ask(*[ONE] * 50)) == [True] * 50
    assert at.pool.figures() == {"sent": 50, "waits": 0, "waited_s": {}, "duplicates_refused": 0}


async def test_requests_over_the_limit_wait_for_the_minute_to_pass() -> None:
    at = Waiting(requests=SlidingWindow(2))
    tasks = await at.ask(ONE, ONE, ONE, ONE, ONE)
    assert through(tasks) == [True, True, False, False, False]
    await at.clock.advance(59.9)
    assert through(tasks)[2:] == [False, False, False]
    await at.clock.advance(0.2)
    assert through(tasks) == [True, True, True, True, False]
    assert at.pool.figures()["waited_s"] == {"requests_per_minute": pytest.approx(3 * 60 + 0.1)}
    await end(tasks)


async def test_a_small_request_does_not_overtake_a_large_one() -> None:
    at = Waiting(tokens=SlidingWindow(100))
    first, large, small = await at.ask(Demand(50, 0), Demand(80, 0), Demand(10, 0))
    assert through([first, large, small]) == [True, False, False]
    first.result().settle(reply(tokens=20))  # the answer was shorter than foreseen
    await settled()
    assert through([large, small]) == [True, False]
    await end([small])


async def test_a_waiter_that_is_cancelled_leaves_nothing_behind_and_lets_the_next_one_through() -> None:
    at = Waiting(tokens=SlidingWindow(100))
    first, large, small = await at.ask(Demand(60, 0), Demand(80, 0), Demand(40, 0))
    large.cancel()
    await settled()
    assert through([small]) == [True]
    assert at.pool.waiting == (0, None)
    assert first.done()


async def test_one_that_is_cancelled_as_it_is_let_through_gives_everything_back() -> None:
    money = Money(0.02)
    at = Waiting(requests=SlidingWindow(2), tokens=SlidingWindow(10), money=money)
    first, second = await at.ask(Demand(10, CENT), Demand(10, CENT))
    first.result().settle(reply(tokens=0, cost_usd=0.0))  # lets the second through ...
    second.cancel()  # ... in the same moment
    await end([second])
    assert at.pool.requests is not None
    assert at.pool.tokens is not None
    assert (money.set_aside, money.spent) == (0, 0)
    assert at.pool.requests.ready_at(0.0) == 0.0
    assert at.pool.tokens.ready_at(0.0, 10) == 0.0
    assert at.pool.sent == 1


async def test_a_request_that_was_not_sent_after_all_is_not_counted() -> None:
    at = Waiting(requests=SlidingWindow(1))
    first, second = await at.ask(ONE, ONE)
    first.result().unsent()
    await settled()
    assert through([second]) == [True]
    assert at.pool.sent == 1


async def test_duplicates_never_wait_and_never_overtake() -> None:
    at = Waiting(requests=SlidingWindow(2))
    assert at.pool.admit_nowait(ONE) is not None
    tasks = await at.ask(ONE, ONE)
    assert at.pool.admit_nowait(ONE) is None
    assert not at.pool.has_room(ONE)
    assert at.pool.figures()["duplicates_refused"] == 1
    await end(tasks)


async def test_a_small_duplicate_does_not_overtake_either() -> None:
    at = Waiting(tokens=SlidingWindow(100))
    tasks = await at.ask(Demand(50, 0), Demand(80, 0))
    assert not at.pool.has_room(Demand(1, 0))
    assert at.pool.admit_nowait(Demand(1, 0)) is None
    await end(tasks)


async def test_too_many_at_once_are_let_through_as_others_end() -> None:
    at = Waiting(window=CongestionWindow(4))
    for lease in [task.result() for task in await at.ask(*[ONE] * 4)]:
        lease.settle(error=OverloadedError("busy"))
    tasks = await at.ask(*[ONE] * 4)
    assert through(tasks) == [True, True, False, False]
    tasks[0].result().settle(reply())
    await settled()
    assert through(tasks) == [True, True, True, False]
    await end(tasks)
    assert at.pool.figures()["concurrency"]["smallest"] == 2


async def test_the_whole_server_is_left_alone_for_as_long_as_it_asks() -> None:
    at = Waiting(window=CongestionWindow(4))
    (first,) = await at.ask(ONE)
    first.result().settle(error=RateLimitedError("slow down", retry_after_s=7))
    tasks = await at.ask(ONE)
    await at.clock.advance(6.9)
    assert through(tasks) == [False]
    await at.clock.advance(0.2)
    assert through(tasks) == [True]
    assert at.pool.waited_s["retry_after"] == pytest.approx(7)


def billed(error: TransientError | BackendError) -> TransientError | BackendError:
    error.billed = True
    return error


@pytest.mark.parametrize(
    ("outcome", "spent", "cuts"),
    [
        ({"reply": reply(cost_usd=0.004)}, 4_000_000, 0),
        ({"reply": reply(cost_usd=None)}, CENT, 0),
        ({"error": RateLimitedError("")}, 0, 1),
        ({"error": OverloadedError("")}, 0, 1),
        ({"error": BackendError("")}, 0, 0),
        ({"error": billed(OverloadedError(""))}, CENT, 1),
        ({"error": billed(BackendError(""))}, CENT, 0),
        ({"error": TimedOutError("")}, CENT, 1),
        ({"error": ConnectionFailedError("")}, CENT, 0),
        ({}, CENT, 0),
    ],
)
async def test_what_an_outcome_costs_and_whether_it_is_overload(
    outcome: dict[str, Any], spent: int, cuts: int
) -> None:
    money, window = Money(1.0), CongestionWindow(1)
    at = Waiting(money=money, window=window)
    (task,) = await at.ask(Demand(1, CENT))
    lease = task.result()
    lease.settle(**outcome)
    lease.settle(**outcome)  # only once
    assert (money.spent, money.set_aside, window.cuts, window.in_flight) == (spent, 0, cuts, 0)


async def test_who_does_not_fit_waits_for_the_open_ones_and_is_turned_away_when_none_is_left() -> None:
    at = Waiting(money=Money(0.025))
    tasks = await at.ask(*[Demand(1, CENT)] * 4)
    assert through(tasks) == [True, True, False, False]
    tasks[0].result().settle(reply(cost_usd=0.002))
    await settled()
    assert through(tasks) == [True, True, True, False]
    tasks[1].result().settle(reply(cost_usd=0.01))
    assert not tasks[3].done()
    tasks[2].result().settle(reply(cost_usd=0.01))
    with pytest.raises(BudgetError, match="the money budget of"):
        await tasks[3]
    with pytest.raises(BudgetError):
        await at.pool.admit(Demand(1, 0))  # also one that would cost nothing: the run has stopped


async def test_the_money_is_shared_by_all_servers_and_its_end_reaches_those_who_wait_elsewhere() -> None:
    money = Money(0.01)
    at = Waiting(money=money)
    other = Pool("q", at.clock, money=money, requests=SlidingWindow(1))

    def wake_both() -> None:
        other.wake()
        at.pool.wake()

    at.pool.on_money = other.on_money = wake_both
    (await other.admit(Demand(1, 0))).settle(reply(cost_usd=0.0))
    elsewhere = asyncio.ensure_future(other.admit(Demand(1, 0)))
    (first, second) = await at.ask(Demand(1, CENT), Demand(1, CENT))
    first.result().settle(reply(cost_usd=0.01))
    results = await asyncio.gather(second, elsewhere, return_exceptions=True)
    assert [type(result) for result in results] == [BudgetError, BudgetError]


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_no_limit_is_exceeded_and_nothing_is_left_over(seed: int) -> None:
    rng = random.Random(seed)
    money, window = Money(0.5), CongestionWindow(6)
    at = Waiting(requests=SlidingWindow(10), tokens=SlidingWindow(300), money=money, window=window)
    stamps: list[float] = []
    outcomes: list[Any] = [
        {"error": RateLimitedError("", retry_after_s=3)},
        {"error": TimedOutError("")},
        {"error": ConnectionFailedError("")},
        {},
    ]

    async def request() -> None:
        lease = await at.pool.admit(Demand(rng.randint(1, 80), rng.randint(1, 3) * CENT))
        if rng.random() < 0.1:
            lease.unsent()
            return
        stamps.append(at.clock.now())
        try:
            await at.clock.sleep(rng.random() * 20)
            choice = rng.choice([*outcomes, None, None, None])
            lease.settle(**(choice or {"reply": reply(rng.randint(0, 80), rng.random() * 0.01)}))
        finally:
            lease.settle()

    tasks = [asyncio.ensure_future(request()) for _ in range(80)]
    for _ in range(600):
        await at.clock.advance(rng.random() * 4)
        assert money.spent + money.set_aside <= 0.5e9
        if rng.random() < 0.2:
            rng.choice(tasks).cancel()
        if all(task.done() for task in tasks):
            break
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, None | BudgetError | asyncio.CancelledError) for each in results)
    assert all(sum(at0 <= at1 < at0 + 60 for at1 in stamps) <= 10 for at0 in stamps)
    assert (money.set_aside, window.in_flight, at.pool.waiting[0]) == (0, 0, 0)
    assert at.pool.sent == len(stamps)


class Busy:
    """A server that works on eight requests at once and refuses all others."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._working = self.refused = 0

    async def sample(self, _request: BackendRequest) -> BackendReply:
        if self._working == 8:
            self.refused += 1
            raise OverloadedError("busy")
        self._working += 1
        try:
            await self._clock.sleep(1.0)
        finally:
            self._working -= 1
        return reply()


async def refusals(window: CongestionWindow | None) -> tuple[int, float, int]:
    """Of 500 requests, 64 at once, with back-off; how long they took, and how many had no answer."""
    at = Waiting(window=window)
    server, gate = Busy(at.clock), Gate(at.pool, lambda _request: ONE)
    policy = RetryPolicy(max_attempts=8, base_s=0.5, cap_s=8)
    numbers = iter(range(500))

    async def worker() -> int:
        failed = 0
        for number in numbers:
            asked = BackendRequest(key=str(number), example_id="", prompt=Prompt(text=""))
            answer = await ask_with_retries(
                server, asked, policy, gate=gate, now=at.clock.now, sleep=at.clock.sleep
            )
            failed += answer.reply is None
        return failed

    tasks = [asyncio.ensure_future(worker()) for _ in range(64)]
    while not all(task.done() for task in tasks):
        await at.clock.advance(0.5)
    return server.refused, at.clock.now(), sum(task.result() for task in tasks)


async def test_an_overloaded_server_refuses_few_requests_and_loses_none() -> None:
    refused, seconds, failed = await refusals(CongestionWindow(64))
    refused_without, _, failed_without = await refusals(None)
    assert failed == 0
    assert failed_without > 100
    assert refused < refused_without / 5
    assert seconds < 1.5 * 500 / 8
