"""The budget of duplicates."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crucible.actors.hedging.budget import HedgeBudget

PERCENT, BURST = 7.0, 3.0


class BudgetMachine(RuleBasedStateMachine):
    """Any order of first requests, duplicates, pauses and overloads."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = HedgeBudget(PERCENT, burst=BURST, hold_s=5.0)
        self.now = 0.0
        self.paid, self.spent = [0.0], [0.0]
        self.shut_until = 0.0

    @rule(costs=st.lists(st.floats(0, 50), max_size=30))
    def first_requests(self, costs: list[float]) -> None:
        for cost in costs:
            self.budget.on_first(self.now, cost)
            self.paid.append(self.paid[-1] + cost)
            self.spent.append(self.spent[-1])

    @rule(cost=st.floats(0.001, 5), tries=st.integers(1, 20))
    def duplicates(self, cost: float, tries: int) -> None:
        for _ in range(tries):
            if self.budget.take(self.now, cost):
                assert self.now >= self.shut_until
                self.paid.append(self.paid[-1])
                self.spent.append(self.spent[-1] + cost)

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(after=st.none() | st.floats(0, 30))
    def overload(self, after: float | None) -> None:
        self.budget.on_overload(self.now, after)
        assert self.budget.left == 0.0
        self.shut_until = max(self.shut_until, self.now + max(5.0, after or 0.0))

    @invariant()
    def never_more_than_the_share_in_total(self) -> None:
        assert self.spent[-1] <= PERCENT / 100 * self.paid[-1] + 1e-3

    @invariant()
    def never_more_than_the_share_and_the_burst_within_any_stretch(self) -> None:
        worst = 0.0  # the largest of spent - share x paid since any moment, as a running maximum
        for i in range(1, len(self.paid)):
            step = self.spent[i] - self.spent[i - 1] - PERCENT / 100 * (self.paid[i] - self.paid[i - 1])
            worst = max(0.0, worst + step)
            assert worst <= BURST + 1e-3


TestBudget = BudgetMachine.TestCase


def test_all_of_the_share_can_be_used() -> None:
    budget = HedgeBudget(5.0)
    used = 0
    for _ in range(1_000):
        budget.on_first(0.0)
        used += budget.take(0.0)
    assert used == 50


def test_a_budget_of_nothing_allows_nothing() -> None:
    budget = HedgeBudget(0.0)
    budget.on_first(0.0, 1e9)
    assert not budget.take(0.0, 1e-5)


def test_overload_shuts_the_bucket_for_as_long_as_the_server_asks() -> None:
    budget = HedgeBudget(100.0, hold_s=10.0)
    budget.on_first(0.0)
    budget.on_overload(1.0, retry_after_s=60.0)
    budget.on_overload(2.0)
    assert budget.paused(60.9)
    budget.on_first(61.5)
    assert budget.take(61.5)
    assert not budget.take(61.5)


@pytest.mark.parametrize(("percent", "burst"), [(-1.0, 1.0), (101.0, 1.0), (5.0, -1.0)])
def test_a_budget_out_of_range_is_refused(percent: float, burst: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        HedgeBudget(percent, burst)
