"""Races and limits: every request of a race passes the gate, and its wait is nobody's latency."""

from __future__ import annotations

import asyncio

from crucible.actors.hedging.actor import HedgingActor
from crucible.actors.hedging.options import NoOptions, TieredOptions, TierOptions
from crucible.actors.hedging.pool import HedgePool
from crucible.actors.hedging.racer import Racer
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.hedging.sent import Lane
from crucible.actors.hedging.tally import HedgeTally
from crucible.actors.limits import Gate, RetryPolicy, Watcher
from crucible.actors.limits.gate import Demand, Pool
from crucible.actors.limits.money import Money
from crucible.actors.limits.windows import SlidingWindow
from crucible.actors.stage import Wiring
from crucible.messages.base import Message
from crucible.messages.errors import ConnectionFailedError
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Completion, Prompt
from crucible.messages.requests import BackendReply, BackendRequest, RaceOutcome
from crucible.testing import TestKit

CENT = 10_000_000


class Slow:
    """Answers after so many seconds, or fails at once when there are none."""

    def __init__(self, kit: TestKit, *waits: float | None) -> None:
        self._kit, self._waits = kit, list(waits)
        self.at: list[float] = []

    async def sample(self, request: BackendRequest) -> BackendReply:
        wait = self._waits[min(len(self.at), len(self._waits) - 1)]
        self.at.append(self._kit.clock.now())
        if wait is None:
            raise ConnectionFailedError("broken")
        await self._kit.clock.sleep(wait)
        return BackendReply(completions=(Completion(text="!", confidence=0.9),), cost_usd=0.0)


def racer(
    kit: TestKit, lanes: list[Lane], config: HedgingConfig, policy: Message | None = None
) -> tuple[Racer, HedgeTally]:
    tally = HedgeTally()
    settings = HedgeSettings(config=config, policy=policy or NoOptions(), racing=RacingOptions())
    pool = HedgePool(settings, tally, kit.clock, seed=1)
    actor = kit.spawn(lambda: HedgingActor(pool))
    probe = kit.probe().ref
    wiring = Wiring(stage="backend_call", supervisor=probe, now=kit.clock.now)
    retry = RetryPolicy(max_attempts=3, base_s=0.0)
    return Racer(lanes, pool, actor, settings, retry, wiring, kit.clock, probe.tell_nowait), tally


async def ask(kit: TestKit, ref: Racer, key: str = "k", seconds: float = 500) -> RaceOutcome:
    request = BackendRequest(key=key, example_id=key, prompt=Prompt(text="?"))
    task = asyncio.ensure_future(ref.race(request))
    await kit.advance(seconds)
    return await task


FIXED = HedgingConfig(strategy="fixed", delay_ms=1000, budget_percent=100, control_percent=0)


def one_a_minute(kit: TestKit, limit: int = 1, money: Money | None = None, most: int = 0) -> Gate:
    pool = Pool("p", kit.clock, requests=SlidingWindow(limit), money=money)
    return Gate(pool, lambda _request: Demand(1, most))


async def test_the_wait_for_a_limit_is_neither_latency_nor_a_reason_for_a_duplicate() -> None:
    async with TestKit() as kit:
        sampler = Slow(kit, 0.5)
        ref, tally = racer(kit, [Lane("m", sampler, gate=one_a_minute(kit))], FIXED)
        first = await ask(kit, ref, "a", seconds=10)
        second = await ask(kit, ref, "b", seconds=100)
        assert sampler.at == [0.0, 60.0]
        assert [first.latency_s, second.latency_s] == [0.5, 0.5]
        assert second.race.duplicates == 0
        assert list(tally.whole.totals) == [0.5, 0.5]


async def test_whoever_waits_for_an_answer_is_told_after_the_wait_for_the_limits() -> None:
    async with TestKit() as kit:
        backend, gate = Slow(kit, 1.0), one_a_minute(kit)
        ref, _ = racer(kit, [Lane("a", backend, gate=gate)], FIXED)
        await ask(kit, ref, "k1", seconds=5.0)
        told: list[float] = []

        class Watching(Watcher):
            def sent(self) -> None:
                told.append(kit.clock.now())

        request = BackendRequest(key="k2", example_id="k2", prompt=Prompt(text="?"))
        task = asyncio.ensure_future(ref.race(request, watcher=Watching()))
        await kit.advance(100.0)
        await task
        assert told == [60.0] == backend.at[1:]


async def test_a_duplicate_for_which_the_limits_have_no_room_is_not_sent_and_that_is_said() -> None:
    async with TestKit() as kit:
        sampler = Slow(kit, 0.1, 5.0)
        ref, _ = racer(kit, [Lane("m", sampler, gate=one_a_minute(kit, limit=2))], FIXED)
        await ask(kit, ref, "a", seconds=1)  # fills the bucket of duplicates
        outcome = await ask(kit, ref, "b", seconds=10)
        assert len(sampler.at) == 2
        assert outcome.race.duplicates == 0
        assert outcome.race.reason.endswith("not sent: the limits leave no room")


async def test_retries_and_backups_wait_at_the_gate_too() -> None:
    async with TestKit() as kit:
        sampler = Slow(kit, None, None, 0.5)
        ref, _ = racer(kit, [Lane("m", sampler, gate=one_a_minute(kit))], FIXED)
        outcome = await ask(kit, ref)
        assert sampler.at == [0.0, 60.0, 120.0]
        assert outcome.attempts == 3


async def test_a_race_without_money_sends_nothing_and_says_so() -> None:
    async with TestKit() as kit:
        sampler, money = Slow(kit, 0.5), Money(0.005)
        ref, _ = racer(kit, [Lane("m", sampler, gate=one_a_minute(kit, money=money, most=CENT))], FIXED)
        outcome = await ask(kit, ref)
        assert sampler.at == []
        assert outcome.error is not None
        assert outcome.error.startswith("BudgetError: the money budget of $0.005 is used up")


async def test_a_retry_that_finds_no_money_ends_the_race() -> None:
    async with TestKit() as kit:
        sampler, money = Slow(kit, None, 0.5), Money(0.015)
        ref, _ = racer(
            kit, [Lane("m", sampler, gate=one_a_minute(kit, limit=9, money=money, most=CENT))], FIXED
        )
        outcome = await ask(kit, ref)
        assert len(sampler.at) == 1
        assert money.spent == CENT  # the broken connection may have been charged
        assert outcome.error is not None
        assert "BudgetError: " in outcome.error


def two_tiers(kit: TestKit, small: Slow, large: Slow) -> tuple[Racer, Gate]:
    tiers = TieredOptions(
        tiers=(TierOptions(name="small", delay_ms=1000), TierOptions(name="large", delay_ms=1000)),
        timeout_ms=20_000,
    )
    gates = one_a_minute(kit), one_a_minute(kit)
    lanes = [Lane("small", small, gate=gates[0]), Lane("large", large, gate=gates[1])]
    config = HedgingConfig(strategy="tiered", control_percent=0)
    return racer(kit, lanes, config, tiers)[0], gates[1]


async def test_the_time_of_the_tiers_begins_after_the_wait_for_the_limits() -> None:
    async with TestKit() as kit:
        small, large = Slow(kit, 8.0), Slow(kit, 1.0)
        ref, _ = two_tiers(kit, small, large)
        first = await ask(kit, ref, "a", seconds=30)
        second = await ask(kit, ref, "b", seconds=100)
        assert [first.race.backend, second.race.backend] == ["large", "large"]
        assert (small.at, large.at) == ([0.0, 60.0], [1.0, 61.0])
        assert second.latency_s == first.latency_s == 2.0


async def test_a_tier_beside_a_slow_one_does_not_wait_for_the_limits() -> None:
    async with TestKit() as kit:
        small, large = Slow(kit, 8.0), Slow(kit, 1.0)
        ref, gate = two_tiers(kit, small, large)
        assert gate.admit_nowait(BackendRequest(key="x", example_id="x", prompt=Prompt(text=""))) is not None
        outcome = await ask(kit, ref)
        assert (outcome.race.backend, outcome.latency_s, outcome.attempts) == ("small", 8.0, 1)
