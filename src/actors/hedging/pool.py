"""The hedging state of one system: policies, budget, circuit breakers and counts.

All races of a system share one and call it as they go (``flight``, ``race``): it decides and never waits, so
that a plain object is enough, as it is for the limits. Retries and duplicates draw on the same bucket: a
duplicate that it cannot pay is not sent, a retry is (an experiment should not lose the row) and leaves less
for duplicates. Overload (429, 503, ``Retry-After``) shuts the bucket. A rising queue shows in the latencies,
see ``load_guard``, and not in the requests in flight, which the run's concurrency bounds (Little 1961: with
as many in flight, a longer queue is a longer latency).

Rejected: an actor that is asked. Five messages for each request cost a third of its CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ...messages.records import Race
from ...messages.requests import BackendReply, BackendRequest
from ..runtime.clock import Clock
from .breaker import CircuitBreaker
from .budget import HedgeBudget
from .cloning import OpenRaces
from .load_guard import Guarded
from .plan import HedgePlan, HedgePolicy, RequestFeatures, coin, is_control
from .plan import Race as Observed
from .racing_options import HedgeSettings
from .registry import DEFAULT_BUDGET_PERCENT, PolicyRegistry, make_policy
from .sent import Kind, Sent
from .size_class import SizeClass, size_class
from .tally import HedgeTally
from .unit_prices import UnitPrices

__all__ = ["Entry", "HedgePool", "Permit"]


class Entry(NamedTuple):
    """What a round of a race may plan with."""

    plan: HedgePlan
    size: SizeClass
    policy: HedgePolicy


class Permit(NamedTuple):
    """Whether a request may be sent."""

    ticket: int | None
    """Of the circuit breaker, for ``ended``; None: not now."""
    reason: str = ""
    retry_at: float | None = None
    budget_left: float = 0.0


class HedgePool:
    """Decides for all races of one system."""

    def __init__(self, settings: HedgeSettings, tally: HedgeTally, clock: Clock, *, seed: int) -> None:
        config, racing = settings.config, settings.racing
        percent = config.budget_percent
        if percent is None:
            percent = 100.0 if config.strategy == "tiered" else DEFAULT_BUDGET_PERCENT
        self._seed = seed
        self._racing = racing
        self._tally = tally
        self._clock = clock
        self._budget = HedgeBudget(percent, burst=config.burst, hold_s=racing.hold_s)
        self._prices = UnitPrices(config.budget_unit)
        self._control = config.control_percent / 100
        self._policies = PolicyRegistry(lambda own: _policy(settings, own), seed)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._blamed_for: dict[str, str] = {}
        self.races = OpenRaces()

    def enter(
        self, request: BackendRequest, backend: str, clone: Callable[[], bool], *, retry: bool = False
    ) -> Entry:
        """A round of a race begins: plan, and pay in unless an earlier round failed (``retry``).

        ``clone`` makes the race send a duplicate, if it still can.
        """
        now, racing = self._clock.now(), self._racing
        features = RequestFeatures(
            prompt_chars=len(request.prompt.text),
            max_tokens=request.params.max_tokens,
            complexity=racing.complexity,
            period=racing.period,
            priority=racing.priority,
        )
        size = size_class(features)
        if not retry:
            self._budget.on_first(now, self._prices.of(size))
        self.races.enter(request.key, now, clone)
        policy = self._policies.policy_for(backend, size)
        return Entry(policy.plan(now, features), size, policy)

    def fires(self, key: str, plan: HedgePlan) -> bool:
        """Whether a request that is open after the plan's delay is duplicated; always the same answer."""
        return plan.probability >= 1.0 or plan.fires(coin(self._seed, key, "hedge"))

    def is_control(self, key: str) -> bool:
        """Whether the losers of this race run to their end; always the same answer."""
        return is_control(self._seed, key, self._control)

    def admit(self, backend: str, charged: SizeClass | None = None) -> Permit:
        """May a request that is no duplicate go to this backend now? By the circuit breaker alone.

        A retry is ``charged`` to the bucket.
        """
        now = self._clock.now()
        breaker = self._breaker(backend)
        ticket = breaker.admit(now)
        if ticket is None:
            why = f"the circuit breaker is open after {self._blamed_for[backend]}"
            return Permit(None, why, breaker.retry_at())
        if charged is not None:
            self._budget.take(now, self._prices.of(charged))
        return Permit(ticket)

    def duplicate(
        self, key: str, size: SizeClass, backend: str, kind: Literal["hedge", "clone", "tier"]
    ) -> Permit:
        """May a duplicate go to this backend now? By breaker and budget; if so it is paid."""
        now = self._clock.now()
        breaker, left = self._breaker(backend), self._budget.left
        if kind == "clone":
            self.races.asked_for(key)
        ticket = breaker.admit(now)
        reason = "the circuit breaker is open" if ticket is None else ""
        if ticket is not None and not self._budget.take(now, self._prices.of(size)):
            breaker.abandoned(ticket)
            ticket = None
            reason = (
                "paused by overload" if self._budget.paused(now) else f"budget of {left:.2f} is too small"
            )
        if ticket is None:
            self._tally.refused += 1
            return Permit(None, reason, budget_left=left)
        if kind == "clone":
            self._tally.clones += 1
            self.races.clones += 1
        return Permit(ticket, budget_left=self._budget.left)

    def give_back(self, backend: str, ticket: int, kind: Kind) -> None:
        """A request that was admitted is not sent after all."""
        self.races.clones -= kind == "clone"
        self._breaker(backend).abandoned(ticket)

    def ended(self, sent: Sent) -> None:
        """A request is over: note it for breaker and overload."""
        self.races.clones -= sent.kind == "clone"
        breaker = self._breaker(sent.lane.name)
        if sent.acceptable:
            breaker.succeeded(self._clock.now(), sent.ticket)
            return
        now = self._clock.now()
        if sent.blamed:
            self._blamed_for[sent.lane.name] = sent.told_error()
            breaker.failed(now, sent.ticket)
        else:
            breaker.abandoned(sent.ticket)
        if sent.overload or sent.retry_after_s is not None:
            self._budget.on_overload(now, sent.retry_after_s)

    def settled(
        self,
        entry: Entry,
        whole: Observed,
        to_first_token: Observed | None = None,
        paid: BackendReply | None = None,
    ) -> None:
        """A round is over with all its requests: learn.

        ``to_first_token`` has latencies to the first token where answers were streamed, which then decide;
        ``paid`` is the winner's reply.
        """
        entry.policy.observe(to_first_token or whole)
        self._tally.observed(whole, to_first_token)
        if whole.winner is not None and paid is not None:
            usage = paid.usage
            self._prices.add(entry.size, usage.prompt_tokens + usage.completion_tokens, paid.cost_usd)
            self.races.answered(whole.total_s)

    def left(self, key: str, race: Race | None = None, attempts: int = 0) -> None:
        """A request is over for the one who asked; ``race`` is None when that one gave it up."""
        self.races.left(key)
        if race is None:
            self._tally.abandoned += 1
        else:
            self._tally.settled(race, attempts)

    def _breaker(self, backend: str) -> CircuitBreaker:
        breaker = self._breakers.get(backend)
        if breaker is None:
            racing = self._racing
            breaker = CircuitBreaker(racing.breaker_failures, racing.breaker_open_s)
            self._breakers[backend] = breaker
        return breaker


def _policy(settings: HedgeSettings, seed: int) -> HedgePolicy:
    policy = make_policy(settings.config, settings.policy, seed)
    guarded = settings.racing.load_guard and settings.config.strategy not in ("off", "tiered")
    return Guarded(policy, seed) if guarded else policy
