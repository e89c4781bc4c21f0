"""All limits of one run, by the rule: requests, tokens and concurrency by server, money by run.

Made by ``backend_call``. Systems share a server when they have the same backend and the same ``base_url``; a
backend without one is a server of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...messages.experiment import LimitsConfig, PoolLimits
from ...messages.requests import BackendRequest
from ..ports import Backend, Priced
from ..runtime.clock import Clock
from .congestion import CongestionWindow
from .gate import Demand, Gate, Pool
from .money import Money, nano
from .windows import SlidingWindow

__all__ = ["RunLimits", "base_url", "estimated_tokens", "limits_of"]

CHARS_PER_TOKEN = 4


def base_url(options: Any) -> str | None:
    """The server that a backend's options name."""
    url = getattr(options, "base_url", None)
    return url.rstrip("/") if isinstance(url, str) else None


def limits_of(config: LimitsConfig, backend_id: str, url: str | None) -> PoolLimits:
    """Those of a server by its address, else by its backend's id, else the ones for all."""
    own = config.pools.get(url or backend_id) or config.pools.get(backend_id)
    if own is None and url is not None:
        own = config.pools.get(url + "/")
    return own or PoolLimits(
        requests_per_minute=config.requests_per_minute, tokens_per_minute=config.tokens_per_minute
    )


def estimated_tokens(request: BackendRequest) -> int:
    """Four characters a token, and an answer of full length: settled when the answer is there."""
    chars = len(request.prompt.text) + len(request.prompt.system or "")
    return math.ceil(chars / CHARS_PER_TOKEN) + request.params.max_tokens * request.params.n


class RunLimits:
    """Hands out the gates, and says what they did."""

    def __init__(self, config: LimitsConfig, clock: Clock, *, concurrency: int) -> None:
        self._config = config
        self._clock = clock
        self._concurrency = concurrency
        self._money = None if config.max_cost_usd is None else Money(config.max_cost_usd)
        self._pools: dict[tuple[str, str | None], Pool] = {}
        self._gates: dict[tuple[str, int], tuple[Gate, Any]] = {}

    @property
    def stopped(self) -> str | None:
        """One line once nothing may be sent any more."""
        return None if self._money is None else self._money.stopped

    def paid(self, cost_usd: float | None) -> None:
        """An earlier attempt of the run has spent this: it counts against the same money."""
        if self._money is not None and cost_usd:
            self._money.spent += nano(cost_usd)

    def gate(self, backend_id: str, backend: Backend, options: Any) -> Gate:
        """The gate of a system."""
        known = self._gates.get((backend_id, id(options)))
        if known is None:
            key = (backend_id, base_url(options))
            if key not in self._pools:
                self._pools[key] = self._pool(*key)
            gate = Gate(self._pools[key], _demand(backend, options, priced=self._money is not None))
            known = self._gates[backend_id, id(options)] = (
                gate,
                options,
            )  # kept, so that the id stays theirs
        return known[0]

    def _pool(self, backend_id: str, url: str | None) -> Pool:
        config, own = self._config, limits_of(self._config, backend_id, url)
        pool = Pool(
            backend_id if url is None else f"{backend_id} {url}",
            self._clock,
            requests=None if own.requests_per_minute is None else SlidingWindow(own.requests_per_minute),
            tokens=None if own.tokens_per_minute is None else SlidingWindow(own.tokens_per_minute),
            window=CongestionWindow(self._concurrency) if config.adaptive_concurrency else None,
            money=self._money,
        )
        pool.on_money = self._wake_all
        return pool

    def _wake_all(self) -> None:
        for pool in self._pools.values():
            pool.wake()

    def note(self) -> str:
        """How many requests wait and for what, for a progress bar."""
        waiting = [pool.waiting for pool in self._pools.values()]
        return ", ".join(f"{count} wait: {limit}" for count, limit in waiting if count)

    def figures(self) -> dict[str, Any] | None:
        """JSON-ready; None when nothing was limited, and nothing could have been."""
        pools = self._pools.values()
        idle = not any(pool.waits or pool.refused or (pool.window and pool.window.cuts) for pool in pools)
        if idle and self._config == LimitsConfig(adaptive_concurrency=self._config.adaptive_concurrency):
            return None
        told: dict[str, Any] = {"pools": {pool.name: pool.figures() for pool in pools}}
        if self._money is not None:
            told["money"] = {
                "max_cost_usd": self._money.limit_usd,
                "spent_usd": self._money.spent / 1e9,
                "of_it_unconfirmed_usd": self._money.unknown / 1e9,
                "overrun_usd": self._money.overrun / 1e9,
            }
        if self.stopped is not None:
            told["stopped"] = self.stopped
        return told


def _demand(backend: Backend, options: Any, *, priced: bool) -> Callable[[BackendRequest], Demand]:
    if not priced:
        return lambda request: Demand(estimated_tokens(request), 0)

    def demand(request: BackendRequest) -> Demand:
        most = backend.most_usd(options, request) if isinstance(backend, Priced) else None
        if most is None:  # refused before the run: its price must be known
            raise ValueError("a money budget needs the price of every request")
        return Demand(estimated_tokens(request), nano(most))

    return demand
