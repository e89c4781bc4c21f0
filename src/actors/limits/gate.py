"""The gate before a backend: a request waits here until every limit lets it through.

One ``Pool`` for all systems that share a server, one ``Gate`` for each system. All that a request needs is
taken in one step or not at all, so that nobody holds one thing while waiting for another. First come, first
served: a small request does not overtake a large one. A duplicate never waits: it is refused.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ...messages.errors import (
    BackendError,
    BudgetError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
    TransientError,
)
from ...messages.requests import BackendReply, BackendRequest
from ..runtime.clock import Clock, TimerHandle
from .congestion import CongestionWindow
from .money import Money, nano
from .windows import Entry, SlidingWindow

__all__ = ["Demand", "Gate", "Lease", "Limit", "Pool"]

Limit = Literal[
    "retry_after", "adaptive_concurrency", "requests_per_minute", "tokens_per_minute", "max_cost_usd"
]


class Demand(NamedTuple):
    """What a request may take."""

    tokens: int
    most: int
    """Nano-dollars."""


class _Held(NamedTuple):
    limit: Limit
    until: float | None
    """None: until something ends."""


class Lease:
    """Leave to send one request. Settled once, when the request is over; ``unsent`` when there was none."""

    __slots__ = ("_demand", "_epoch", "_over", "_pool", "_request", "_tokens")

    def __init__(
        self, pool: Pool, demand: Demand, epoch: int, request: Entry | None, tokens: Entry | None
    ) -> None:
        self._pool = pool
        self._demand = demand
        self._epoch = epoch
        self._request = request
        self._tokens = tokens
        self._over = False

    def settle(
        self, reply: BackendReply | None = None, error: TransientError | BackendError | None = None
    ) -> None:
        """It was sent; neither reply nor error when it was given up."""
        if self._over:
            return
        refused = isinstance(error, RateLimitedError | OverloadedError | BackendError) and not error.billed
        tokens: int | None = 0 if refused else None
        cost: int | None = 0 if refused else None
        if reply is not None:
            tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
            cost = None if reply.cost_usd is None else nano(reply.cost_usd)
        overloaded: bool | None = None
        if reply is not None or error is not None:
            overloaded = isinstance(error, RateLimitedError | OverloadedError | TimedOutError)
        wait = error.retry_after_s if isinstance(error, TransientError) else None
        self._end(tokens, cost, overloaded=overloaded, wait_s=wait)

    def unsent(self) -> None:
        """Nothing was sent: everything is given back."""
        if not self._over and self._request is not None and self._pool.requests is not None:
            self._pool.requests.settle(self._request, 0)
        self._end(0, 0, overloaded=None, wait_s=None, sent=False)

    def _end(
        self,
        tokens: int | None,
        cost: int | None,
        *,
        overloaded: bool | None,
        wait_s: float | None,
        sent: bool = True,
    ) -> None:
        if self._over:
            return
        self._over = True
        if tokens is not None and self._tokens is not None and self._pool.tokens is not None:
            self._pool.tokens.settle(self._tokens, tokens)
        self._pool.ended(self._epoch, self._demand, cost, overloaded=overloaded, wait_s=wait_s, sent=sent)


class Pool:
    """The limits that all systems of one server share; the money is shared by all pools of a run."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        requests: SlidingWindow | None = None,
        tokens: SlidingWindow | None = None,
        window: CongestionWindow | None = None,
        money: Money | None = None,
    ) -> None:
        self.name = name
        self.requests = requests
        self.tokens = tokens
        self.window = window
        self.waited_s: defaultdict[Limit, float] = defaultdict(float)
        """Seconds by limit, summed over the requests that waited."""
        self.waits = self.sent = self.refused = 0
        self.on_money: Callable[[], None] = self.wake
        """Called when money was settled: the other pools may go on."""
        self._money = money
        self._clock = clock
        self._waiting: deque[tuple[Demand, asyncio.Future[Lease]]] = deque()
        self._paused_until = 0.0
        self._reason: Limit | None = None
        self._counted_at = 0.0
        self._timer: TimerHandle | None = None

    @property
    def waiting(self) -> tuple[int, Limit | None]:
        """Requests that wait, and for what."""
        return len(self._waiting), self._reason

    async def admit(self, demand: Demand) -> Lease:
        """Wait for leave; BudgetError when the run has no money for it."""
        if not self._waiting:
            lease = self.admit_nowait(demand, counted=False)
            if lease is not None:
                return lease
        place: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._account()
        self._waiting.append((demand, place))
        self.waits += 1
        self.wake()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                place.result().unsent()
            else:
                self._account()
                self._waiting = deque(each for each in self._waiting if each[1] is not place)
                self.wake()
            raise

    def admit_nowait(self, demand: Demand, *, counted: bool = True) -> Lease | None:
        """Leave if there is room and nobody waits; else None, counted as refused."""
        if self.has_room(demand):
            return self._lease(demand)
        self.refused += counted
        return None

    def has_room(self, demand: Demand) -> bool:
        """Whether a request could be sent now."""
        return not self._waiting and self._held(demand) is None

    def wake(self) -> None:
        """Let through whoever may go now."""
        self._account()
        was_stopped = self._money is not None and self._money.stopped is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._reason = None
        while self._waiting and self._reason is None:
            demand, place = self._waiting[0]
            if not place.done():
                self._decide(demand, place)
            if self._reason is None:
                self._waiting.popleft()
        if self._money is not None and self._money.stopped is not None and not was_stopped:
            self.on_money()

    def _decide(self, demand: Demand, place: asyncio.Future[Lease]) -> None:
        """Let the first in the line through, turn it away, or note why it waits on."""
        money = self._money
        if money is not None and money.hopeless(demand.most):
            money.stop(demand.most)
        if money is not None and money.stopped is not None:
            place.set_exception(BudgetError(money.stopped))
            return
        held = self._held(demand)
        if held is None:
            place.set_result(self._lease(demand))
            return
        self._reason = held.limit
        if held.until is not None:
            self._timer = self._clock.call_later(held.until - self._clock.now(), self.wake)

    def ended(
        self,
        epoch: int,
        demand: Demand,
        cost: int | None,
        *,
        overloaded: bool | None,
        wait_s: float | None,
        sent: bool,
    ) -> None:
        """For leases: a request is over."""
        self.sent -= not sent
        if self.window is not None:
            self.window.ended(epoch, overloaded=overloaded)
            if wait_s is not None:
                self._paused_until = max(self._paused_until, self._clock.now() + wait_s)
        if self._money is not None:
            self._money.settle(demand.most, cost)
            self.on_money()
        else:
            self.wake()

    def _held(self, demand: Demand) -> _Held | None:
        """The limit that holds a request back."""
        now = self._clock.now()
        if now < self._paused_until:
            return _Held("retry_after", self._paused_until)
        if self.window is not None and not self.window.has_room():
            return _Held("adaptive_concurrency", None)
        if self.requests is not None and (ready := self.requests.ready_at(now)) > now:
            return _Held("requests_per_minute", ready)
        if self.tokens is not None and (ready := self.tokens.ready_at(now, demand.tokens)) > now:
            return _Held("tokens_per_minute", ready)
        if self._money is not None and not self._money.fits(demand.most):
            return _Held("max_cost_usd", None)
        return None

    def _lease(self, demand: Demand) -> Lease:
        now = self._clock.now()
        self.sent += 1
        if self._money is not None:
            self._money.reserve(demand.most)
        return Lease(
            self,
            demand,
            0 if self.window is None else self.window.sent(),
            None if self.requests is None else self.requests.take(now),
            None if self.tokens is None else self.tokens.take(now, demand.tokens),
        )

    def _account(self) -> None:
        now = self._clock.now()
        if self._waiting and self._reason is not None:
            self.waited_s[self._reason] += len(self._waiting) * (now - self._counted_at)
        self._counted_at = now

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        self._account()
        told: dict[str, Any] = {
            "sent": self.sent,
            "waits": self.waits,
            "waited_s": {limit: self.waited_s[limit] for limit in sorted(self.waited_s)},
            "duplicates_refused": self.refused,
        }
        if self.window is not None:
            told["concurrency"] = {
                "cuts": self.window.cuts,
                "smallest": self.window.smallest,
                "last": self.window.size,
            }
        return told


@dataclass(frozen=True, slots=True)
class Gate:
    """The pool as one system sees it, which knows what its requests may take."""

    pool: Pool
    demand: Callable[[BackendRequest], Demand]

    async def admit(self, request: BackendRequest) -> Lease:
        """Wait for leave to send; BudgetError when the run has no money for it."""
        return await self.pool.admit(self.demand(request))

    def has_room(self, request: BackendRequest) -> bool:
        """Whether a request could be sent now."""
        return self.pool.has_room(self.demand(request))

    def admit_nowait(self, request: BackendRequest) -> Lease | None:
        """Leave to send a duplicate, if there is room."""
        return self.pool.admit_nowait(self.demand(request))
