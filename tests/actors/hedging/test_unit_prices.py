"""What a duplicate takes out of the budget when that counts tokens or money."""

from __future__ import annotations

from typing import Literal

import pytest

from crucible.actors.hedging.options import NoOptions
from crucible.actors.hedging.plan import Attempt, Race
from crucible.actors.hedging.pool import HedgePool
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.hedging.size_class import SizeClass
from crucible.actors.hedging.tally import HedgeTally
from crucible.actors.hedging.unit_prices import UnitPrices
from crucible.actors.runtime import VirtualClock
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Completion, Prompt, SamplingParams, Usage
from crucible.messages.requests import BackendReply, BackendRequest

SHORT, LONG, NEW = SizeClass(9, 4), SizeClass(9, 10), SizeClass(20, 20)


@pytest.mark.parametrize(
    ("unit", "short", "long"), [("requests", 1.0, 1.0), ("tokens", 0.2, 1.8), ("cost", 0.5, 1.5)]
)
def test_a_request_costs_its_share_of_what_a_mean_request_takes(
    unit: Literal["requests", "tokens", "cost"], short: float, long: float
) -> None:
    prices = UnitPrices(unit)
    for _ in range(5):
        prices.add(SHORT, 100, 0.01)
        prices.add(LONG, 900, 0.03)
    assert (prices.of(SHORT), prices.of(LONG), prices.of(NEW)) == pytest.approx((short, long, 1.0))


def test_where_costs_are_unknown_every_request_counts_as_one() -> None:
    prices = UnitPrices("cost")
    prices.add(SHORT, 100, None)
    assert prices.of(SHORT) == 1.0


@pytest.mark.parametrize(("unit", "allowed"), [("requests", True), ("tokens", False)])
def test_a_budget_of_tokens_refuses_the_duplicate_of_a_long_request_that_one_of_requests_allows(
    unit: Literal["requests", "tokens"], allowed: bool
) -> None:
    config = HedgingConfig(strategy="fixed", delay_ms=1.0, budget_percent=10, budget_unit=unit)
    settings = HedgeSettings(config=config, policy=NoOptions(), racing=RacingOptions())
    pool = HedgePool(settings, HedgeTally(), VirtualClock(), seed=1)

    def answered(max_tokens: int, tokens: int) -> SizeClass:
        request = BackendRequest(
            key="k", example_id="e", prompt=Prompt(text="?"), params=SamplingParams(max_tokens=max_tokens)
        )
        entry = pool.enter(request, "a", lambda: False)
        attempt = Attempt(started_s=0.0, latency_s=1.0, outcome="answered")
        reply = BackendReply(completions=(Completion(text="!"),), usage=Usage(completion_tokens=tokens))
        pool.settled(entry, Race(attempts=(attempt,), winner=0), paid=reply)
        return entry.size

    long = answered(1_000, 1_000)
    for _ in range(12):  # 10 percent of 13 requests are one duplicate, but not a long one
        answered(16, 10)
    assert (pool.duplicate("k", long, "a", "hedge").ticket is not None) == allowed
