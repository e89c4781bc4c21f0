"""Many races at once over servers that answer, fail and stream as they like, and askers that give up.

Seeded, in virtual time. Whatever happens, nothing may be left behind: no request, no place at the limits, no
money set aside, no probe of the breaker; and no moment may have more duplicates than the budget pays.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from crucible.actors.first_token import first_token_came
from crucible.actors.hedging.actor import CloneOldest, HedgingActor
from crucible.actors.hedging.options import NoOptions, TieredOptions, TierOptions
from crucible.actors.hedging.pool import HedgePool
from crucible.actors.hedging.racer import Racer
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.hedging.sent import Lane
from crucible.actors.hedging.tally import HedgeTally
from crucible.actors.limits import Gate, RetryPolicy
from crucible.actors.limits.congestion import CongestionWindow
from crucible.actors.limits.gate import Demand, Pool
from crucible.actors.limits.money import Money
from crucible.actors.stage import Wiring
from crucible.messages.errors import BackendError, ConnectionFailedError, RateLimitedError
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Completion, Prompt
from crucible.messages.requests import BackendReply, BackendRequest, RaceOutcome
from crucible.messages.trace import Span
from crucible.testing import TestKit

PERCENT = 40.0
CENT = 10_000_000
MOST_CENTS = 2


class Moody:
    """A server whose every answer is drawn; bills at most ``MOST_CENTS`` for what it answered."""

    def __init__(self, kit: TestKit, rng: random.Random) -> None:
        self._kit, self._rng = kit, rng
        self.open = self.billed = 0
        self.asked = list[tuple[str, int]]()

    async def sample(self, request: BackendRequest) -> BackendReply:
        rng, clock = self._rng, self._kit.clock
        self.asked.append((request.example_id, request.attempt))
        self.open += 1
        try:
            if rng.random() < 0.3:
                await clock.sleep(rng.choice((0.0, 0.1, 1.0)))
                first_token_came()
            await clock.sleep(rng.choice((0.0, 0.1, 0.5, 1.0, 2.0, 30.0)))
        except asyncio.CancelledError:
            mood = rng.random()
            if mood < 0.2:
                await clock.sleep(0.2)  # takes a while to be cancelled
            if mood > 0.1:
                raise
        finally:
            self.open -= 1
        draw = rng.random()
        if draw < 0.15:
            raise ConnectionFailedError("broken")
        if draw < 0.2:
            raise RateLimitedError("slow down", retry_after_s=rng.choice((None, 0.5)))
        if draw < 0.22:
            raise BackendError("no")
        cents = rng.randint(0, MOST_CENTS)
        self.billed += cents
        finish: Any = "error" if draw < 0.25 else "stop"
        text = Completion(text="!", confidence=rng.random(), finish_reason=finish)
        return BackendReply(completions=(text,), cost_usd=cents / 100)


class Storm:
    """A pool with limits, money and a breaker over two moody servers, and what was sent so far."""

    def __init__(self, kit: TestKit, seed: int, *, tiered: bool, usd: float) -> None:
        self.kit, self.rng = kit, random.Random(seed)
        self.servers = [Moody(kit, self.rng) for _ in range(2)]
        self.money = Money(usd)
        self.windows = [CongestionWindow(6) for _ in self.servers]
        gates = [
            Pool(f"p{number}", kit.clock, window=window, money=self.money)
            for number, window in enumerate(self.windows)
        ]

        def wake() -> None:
            for each in gates:
                each.wake()

        for each in gates:
            each.on_money = wake
        tiers = TieredOptions(
            tiers=(TierOptions(name="a", delay_ms=300.0, min_quality=0.3), TierOptions(name="b")),
            timeout_ms=5_000.0,
        )
        config = HedgingConfig(
            strategy="tiered" if tiered else "fixed", delay_ms=None if tiered else 200.0, max_hedges=3,
            budget_percent=PERCENT, burst=5.0, control_percent=20.0,
        )  # fmt: skip
        racing = RacingOptions(breaker_failures=2, breaker_open_s=1.0, hold_s=0.5)
        settings = HedgeSettings(config=config, policy=tiers if tiered else NoOptions(), racing=racing)
        self.tally = HedgeTally()
        self.pool = HedgePool(settings, self.tally, kit.clock, seed=seed)
        self.actor = kit.spawn(lambda: HedgingActor(self.pool))
        probe = kit.probe().ref
        wiring = Wiring(stage="backend_call", supervisor=probe, trace=probe, now=kit.clock.now)
        lanes = [
            Lane(f"lane{number}", server, gate=Gate(gate, lambda _request: Demand(1, MOST_CENTS * CENT)))
            for number, (server, gate) in enumerate(zip(self.servers, gates, strict=True))
        ]
        retry = RetryPolicy(max_attempts=3, timeout_s=4.0, base_s=0.1)
        self.spans: list[Span] = []
        self.racer = Racer(
            lanes, self.pool, self.actor, settings, retry, wiring, kit.clock, self.spans.append
        )
        self.begun = 0

    async def ask(self, number: int) -> RaceOutcome:
        self.begun += 1
        request = BackendRequest(key=f"k{number}", example_id=f"e{number}", prompt=Prompt(text="?"))
        return await self.racer.race(request, span=1, lane="l")

    async def blow(self) -> list[RaceOutcome | BaseException]:
        """Forty askers, of whom half give up at some moment, some twice."""
        rng, tasks = self.rng, list[asyncio.Task[RaceOutcome]]()
        for number in range(40):
            tasks.append(asyncio.ensure_future(self.ask(number)))
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(0)
            await self.kit.advance(rng.choice((0.0, 0.0, 0.05, 0.25)))
            if rng.random() < 0.5:
                self.give_up(rng.choice(tasks), times=rng.randint(1, 3))
            if rng.random() < 0.2:
                await self.actor.ask(CloneOldest(free=3))
            self.check_the_budget()
        for _ in range(30):
            await self.kit.advance(20.0)
            self.check_the_budget()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    def give_up(self, task: asyncio.Task[RaceOutcome], times: int) -> None:
        """Cancelled again while it cleans up: between two turns of the loop."""
        task.cancel()
        if times > 1:
            asyncio.get_running_loop().call_soon(lambda: self.give_up(task, times - 1))

    def check_the_budget(self) -> None:
        duplicates = sum(span.kind == "hedge" for span in self.spans)
        assert duplicates <= self.begun * PERCENT / 100


@pytest.mark.parametrize("seed", range(24))
async def test_after_a_storm_nothing_is_left_behind(seed: int) -> None:
    async with TestKit() as kit:
        storm = Storm(kit, seed, tiered=seed % 3 == 0, usd=1000.0)
        outcomes = await storm.blow()
        assert not [each for each in outcomes if isinstance(each, Exception)]
        assert any(isinstance(each, RaceOutcome) and each.reply is not None for each in outcomes)
        assert [server.open for server in storm.servers] == [0, 0]
        assert [window.in_flight for window in storm.windows] == [0, 0]
        assert storm.money.set_aside == 0
        assert storm.pool.races.clones == 0
        assert storm.pool.races.clone_oldest(kit.clock.now(), 99) is None
        assert [(name, each._probing) for name, each in storm.pool._breakers.items() if each._probing] == []
        answered = [each for each in outcomes if isinstance(each, RaceOutcome)]
        assert storm.tally.requests == len(answered)
        assert storm.tally.abandoned == len(outcomes) - len(answered)
        asked = [each for server in storm.servers for each in server.asked]
        told = {(span.attributes["example"], span.attributes["attempt"]): span.status for span in storm.spans}
        assert len(told) == len(storm.spans)  # each is told once
        assert {status for each, status in told.items() if each not in asked} <= {
            "cancelled"
        }  # before it began
        alone = {
            (f"e{number}", 1)
            for number, each in enumerate(outcomes)
            if isinstance(each, RaceOutcome) and each.attempts == 1 and each.race.winner == "first"
        }  # the span of such a request says it all
        assert set(asked) - alone == told.keys() & set(asked)


@pytest.mark.parametrize("seed", range(24))
async def test_a_storm_never_spends_a_cent_more_than_the_run_has(seed: int) -> None:
    async with TestKit() as kit:
        storm = Storm(kit, seed, tiered=seed % 3 == 0, usd=0.1)
        outcomes = await storm.blow()
        billed = sum(server.billed for server in storm.servers)
        assert billed * CENT <= storm.money.spent <= 10 * CENT
        assert storm.money.overrun == 0
        assert storm.money.set_aside == 0
        stopped = [
            each for each in outcomes if isinstance(each, RaceOutcome) and "BudgetError" in (each.error or "")
        ]
        assert storm.money.stopped is not None
        assert stopped
        assert storm.money.spent > (10 - MOST_CENTS) * CENT  # and no less than it can
