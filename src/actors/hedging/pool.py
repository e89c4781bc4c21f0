"""The hedging state of one system: policies, budget, circuit breakers and counts.

An actor, so that all races of a system see one state; its handlers decide and never wait. Asked by the races
(``race``) before each request they send, and told how each one ended. Retries and duplicates draw on the same
bucket: a duplicate that it cannot pay is not sent, a retry is (an experiment should not lose the row) and
leaves less for duplicates. Overload (429, 503, ``Retry-After``) shuts the bucket. A rising queue shows in the
latencies, see ``load_guard``, and not in the requests in flight, which the run's concurrency bounds (Little
1961: with as many in flight, a longer queue is a longer latency).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ...messages.base import Message
from ...messages.records import Race
from ...messages.requests import BackendRequest
from ..runtime import Actor, handler
from .breaker import CircuitBreaker
from .budget import HedgeBudget
from .latency import LatencyWindow
from .load_guard import Guarded
from .plan import HedgePlan, HedgePolicy, RequestFeatures, coin, is_control
from .plan import Race as Observed
from .racing_options import HedgeSettings
from .registry import DEFAULT_BUDGET_PERCENT, PolicyRegistry, make_policy
from .size_class import size_class
from .tally import HedgeTally
from .unit_prices import UnitPrices

__all__ = [
    "Admit",
    "CloneOldest",
    "Drain",
    "Duplicate",
    "Ended",
    "Enter",
    "Entry",
    "HedgePool",
    "Left",
    "Permit",
    "Settled",
]

CLONE_WINDOW = 512
CLONE_QUANTILE = 0.9
CLONE_PAUSE_S = 0.05


class Entry(Message, frozen=True):
    """What a race may plan with."""

    plan: HedgePlan
    fires: bool
    """Whether a slow request is duplicated."""
    control: bool
    """Whether losers run to their end."""


class Permit(Message, frozen=True):
    """Whether a request may be sent."""

    ticket: int | None
    """For ``Ended``; None: not now."""
    reason: str = ""
    retry_at: float | None = None
    budget_left: float = 0.0


class Enter(Message, frozen=True):
    """A round of a race begins; ``retry`` when an earlier one failed."""

    request: BackendRequest
    backend: str
    retry: bool
    clone: Callable[[], bool]
    """Makes the race send a duplicate, if it still can: a race at work reads no messages."""

    if TYPE_CHECKING:

        def __reply__(self) -> Entry: ...


class Admit(Message, frozen=True):
    """May a request that is no duplicate go to this backend now? A retry is charged to the bucket."""

    backend: str
    retry: BackendRequest | None = None

    if TYPE_CHECKING:

        def __reply__(self) -> Permit: ...


class Duplicate(Message, frozen=True):
    """May a duplicate go to this backend now? If so it is paid."""

    request: BackendRequest
    backend: str
    kind: Literal["hedge", "clone", "tier"]

    if TYPE_CHECKING:

        def __reply__(self) -> Permit: ...


class Ended(Message, frozen=True):
    """A request that was admitted is over."""

    backend: str
    ticket: int
    outcome: Literal["answered", "blamed", "neither"]
    """``blamed``: it failed by the backend's fault."""
    kind: str = "first"
    overload: bool = False
    retry_after_s: float | None = None


class Settled(Message, frozen=True):
    """A round is over with all its requests."""

    request: BackendRequest
    backend: str
    observed: Observed
    """What decided the race: latencies to the first token where the answers were streamed."""
    whole: Observed | None = None
    """The same with latencies of whole answers, None when that is what ``observed`` has."""
    tokens: int = 0
    """Of the winner."""
    cost_usd: float | None = None


class Left(Message, frozen=True):
    """A request is over for the one who asked; ``race`` is None when that one gave it up."""

    key: str
    race: Race | None = None
    attempts: int = 0


class CloneOldest(Message, frozen=True):
    """Slots are free: clone the longest-running request, unless as many clones run.

    Answered with 0 when one was told to, None when there is none, else with seconds until the next try.
    """

    free: int = 1

    if TYPE_CHECKING:

        def __reply__(self) -> float | None: ...


class Drain(Message, frozen=True):
    """Answered when all that was told before has been counted."""

    if TYPE_CHECKING:

        def __reply__(self) -> None: ...


class _Open:
    __slots__ = ("clone", "started", "told")

    def __init__(self, started: float, clone: Callable[[], bool]) -> None:
        self.started = started
        self.clone: Callable[[], bool] | None = clone
        self.told = False


class HedgePool(Actor):
    """Decides for all races of one system; ``tally`` outlives it."""

    def __init__(self, settings: HedgeSettings, tally: HedgeTally, *, seed: int) -> None:
        config, racing = settings.config, settings.racing
        percent = config.budget_percent
        if percent is None:
            percent = 100.0 if config.strategy == "tiered" else DEFAULT_BUDGET_PERCENT
        self._seed = seed
        self._racing = racing
        self._tally = tally
        self._budget = HedgeBudget(percent, burst=config.burst, hold_s=racing.hold_s)
        self._prices = UnitPrices(config.budget_unit)
        self._control = config.control_percent / 100
        self._policies = PolicyRegistry(lambda own: _policy(settings, own), seed)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._races: dict[str, _Open] = {}
        self._clones = 0
        self._answers = LatencyWindow(CLONE_WINDOW)

    @handler
    def on_enter(self, message: Enter) -> Entry:
        """Plan; pay in for a first request, pay for a retry."""
        now = self.context.clock.now()
        request = message.request
        if not message.retry:
            self._budget.on_first(now, self._price(request))
        self._races[request.key] = _Open(now, message.clone)
        features = self._features(request)
        plan = self._policies.policy_for(message.backend, features).plan(now, features)
        control = is_control(self._seed, request.key, self._control)
        return Entry(plan=plan, fires=plan.fires(coin(self._seed, request.key, "hedge")), control=control)

    @handler
    def on_admit(self, message: Admit) -> Permit:
        """By the circuit breaker alone."""
        now = self.context.clock.now()
        breaker = self._breaker(message.backend)
        ticket = breaker.admit(now)
        if ticket is None:
            return Permit(ticket=None, reason="the circuit breaker is open", retry_at=breaker.retry_at())
        if message.retry is not None:
            self._budget.take(now, self._price(message.retry))
        return Permit(ticket=ticket)

    @handler
    def on_duplicate(self, message: Duplicate) -> Permit:
        """By breaker and budget."""
        now = self.context.clock.now()
        breaker, left = self._breaker(message.backend), self._budget.left
        if message.kind == "clone" and message.request.key in self._races:
            self._races[message.request.key].told = False
        ticket = breaker.admit(now)
        reason = "the circuit breaker is open" if ticket is None else ""
        if ticket is not None and not self._budget.take(now, self._price(message.request)):
            breaker.abandoned(ticket)
            ticket = None
            reason = (
                "paused by overload" if self._budget.paused(now) else f"budget of {left:.2f} is too small"
            )
        if ticket is None:
            self._tally.refused += 1
            return Permit(ticket=None, reason=reason, budget_left=left)
        self._tally.clones += message.kind == "clone"
        self._clones += message.kind == "clone"
        return Permit(ticket=ticket, budget_left=self._budget.left)

    @handler
    def on_ended(self, message: Ended) -> None:
        """Note it for breaker, queue and overload."""
        now = self.context.clock.now()
        self._clones -= message.kind == "clone"
        breaker = self._breaker(message.backend)
        if message.outcome == "answered":
            breaker.succeeded(now, message.ticket)
        elif message.outcome == "blamed":
            breaker.failed(now, message.ticket)
        else:
            breaker.abandoned(message.ticket)
        if message.overload or message.retry_after_s is not None:
            self._budget.on_overload(now, message.retry_after_s)

    @handler
    def on_settled(self, message: Settled) -> None:
        """Learn."""
        features = self._features(message.request)
        self._policies.policy_for(message.backend, features).observe(message.observed)
        whole = message.whole or message.observed
        self._tally.observed(whole, message.observed if message.whole else None)
        if whole.winner is not None:
            self._prices.add(size_class(features), message.tokens, message.cost_usd)
            self._answers.observe(whole.total_s)

    @handler
    def on_left(self, message: Left) -> None:
        """Count."""
        self._races.pop(message.key, None)
        if message.race is None:
            self._tally.abandoned += 1
        else:
            self._tally.settled(message.race, message.attempts)

    @handler
    def on_clone(self, message: CloneOldest) -> float | None:
        """The oldest race that has no clone yet, once it has run longer than most answers took."""
        now = self.context.clock.now()
        waiting = [each for each in self._races.values() if each.clone is not None]
        if not waiting:
            return None
        if self._clones + sum(each.told for each in self._races.values()) >= message.free:
            return CLONE_PAUSE_S
        oldest = min(waiting, key=lambda each: each.started)
        usual = self._answers.quantile(CLONE_QUANTILE) or 0.0
        if now - oldest.started < usual:
            return max(usual - (now - oldest.started), CLONE_PAUSE_S)
        clone, oldest.clone, oldest.told = oldest.clone, None, True
        if clone is not None and not clone():  # its answer is coming
            oldest.told = False
        return 0.0

    @handler
    def on_drain(self, _message: Drain) -> None:
        """Everything before it is done."""

    def _breaker(self, backend: str) -> CircuitBreaker:
        breaker = self._breakers.get(backend)
        if breaker is None:
            racing = self._racing
            breaker = CircuitBreaker(racing.breaker_failures, racing.breaker_open_s)
            self._breakers[backend] = breaker
        return breaker

    def _price(self, request: BackendRequest) -> float:
        return self._prices.of(size_class(self._features(request)))

    def _features(self, request: BackendRequest) -> RequestFeatures:
        racing = self._racing
        return RequestFeatures(
            prompt_chars=len(request.prompt.text),
            max_tokens=request.params.max_tokens,
            complexity=racing.complexity,
            period=racing.period,
            priority=racing.priority,
        )


def _policy(settings: HedgeSettings, seed: int) -> HedgePolicy:
    policy = make_policy(settings.config, settings.policy, seed)
    guarded = settings.racing.load_guard and settings.config.strategy not in ("off", "tiered")
    return Guarded(policy, seed) if guarded else policy
