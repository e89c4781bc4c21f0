"""Counts of what hedging did and what it cost, and the latency with it and, estimated, without it.

Filled by the pool. Without hedging is the Kaplan-Meier estimate over first requests: one that was cancelled
is known only to have taken longer. Seventeen bytes a request, twice that where answers are streamed: then
latencies to the first token are kept too.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from ...messages.records import Race
from .latency import kaplan_meier
from .plan import Race as Observed

__all__ = ["HedgeTally", "figures"]

PERCENTILES = (50.0, 95.0, 99.0, 99.9)
CURVE_SHARES = sorted({*(i / 50 for i in range(1, 45)), *(1 - 10 ** (-1 - i / 20) for i in range(61)), 0.95})
"""For plots: even steps to 0.88, then ten times closer to 1 with every 20 steps, up to 0.9999."""


class Latencies:
    """Of races, and of the first requests of these races."""

    def __init__(self) -> None:
        self.totals = array("d")
        self.firsts = array("d")
        self.censored = bytearray()

    def add(self, race: Observed) -> None:
        """One race; without an answer it has no latency."""
        if race.winner is None:
            return
        self.totals.append(race.total_s)
        first = race.attempts[0]
        if first.outcome != "failed":
            self.firsts.append(first.latency_s)
            self.censored.append(first.censored)


class HedgeTally:
    """The counts of one pool."""

    def __init__(self) -> None:
        self.requests = self.hedged = self.wins = self.refused = 0
        self.duplicates = self.clones = self.retries = self.cancelled = self.biased = self.failed = 0
        self.abandoned = 0
        self.extra_tokens = 0
        self.extra_cost_usd = 0.0
        self.cost_known = True
        self.whole = Latencies()
        self.to_first_token = Latencies()

    def settled(self, race: Race, attempts: int) -> None:
        """A request is over; ``attempts`` were sent for it."""
        self.requests += 1
        self.failed += race.winner is None
        self.hedged += race.hedged
        self.wins += race.hedged and race.winner in ("hedge", "clone", "tier")
        self.duplicates += race.duplicates
        self.retries += attempts - 1 - race.duplicates
        self.cancelled += race.cancelled
        self.biased += race.race_biased
        self.extra_tokens += race.extra_usage.prompt_tokens + race.extra_usage.completion_tokens
        if race.extra_cost_usd is None:
            self.cost_known = False
        else:
            self.extra_cost_usd += race.extra_cost_usd

    def observed(self, whole: Observed, to_first_token: Observed | None = None) -> None:
        """A round is over, its cancelled attempts included."""
        self.whole.add(whole)
        if to_first_token is not None:
            self.to_first_token.add(to_first_token)


def figures(tallies: Sequence[HedgeTally]) -> dict[str, Any]:
    """JSON-ready figures of some pools together; latencies in seconds."""
    requests = sum(tally.requests for tally in tallies)
    hedged = sum(tally.hedged for tally in tallies)
    wins = sum(tally.wins for tally in tallies)
    duplicates = sum(tally.duplicates for tally in tallies)
    known = all(tally.cost_known for tally in tallies)
    wholes = [tally.whole for tally in tallies]
    # Of the pools that sent duplicates: what is never slow says nothing of what hedging did.
    drawn = [tally.whole for tally in tallies if tally.duplicates] or wholes
    told: dict[str, Any] = {
        "requests": requests,
        "hedged": hedged,
        "wins": wins,
        "hedge_rate": hedged / requests if requests else None,
        "win_rate": wins / hedged if hedged else None,
        "extra_requests": duplicates,
        "extra_requests_percent": 100 * duplicates / requests if requests else None,
        "clones": sum(tally.clones for tally in tallies),
        "retries": sum(tally.retries for tally in tallies),
        "refused": sum(tally.refused for tally in tallies),
        "cancelled": sum(tally.cancelled for tally in tallies),
        "race_biased": sum(tally.biased for tally in tallies),
        "abandoned": sum(tally.abandoned for tally in tallies),
        "failed": sum(tally.failed for tally in tallies),
        "extra_tokens": sum(tally.extra_tokens for tally in tallies),
        "extra_cost_usd": sum(tally.extra_cost_usd for tally in tallies) if known else None,
        "latency_s": _compared(wholes),
        "latency_curve": _curve(drawn),
        # Beyond this share all requests were cancelled, and the estimate without hedging is a lower bound.
        "latency_curve_known_share": kaplan_meier(_firsts(drawn)).known,
    }
    streamed = [tally.to_first_token for tally in tallies]
    if any(latencies.totals for latencies in streamed):
        told["first_token_s"] = _compared(streamed)
    return told


def _curve(kept: Sequence[Latencies]) -> dict[str, list[float]]:
    """The same two distributions by share, as far as there are requests for it."""
    ordered = sorted(value for latencies in kept for value in latencies.totals)
    pairs = _firsts(kept)
    if not ordered or not pairs:
        return {"share": [], "with_hedging": [], "without_hedging_estimated": []}
    shares = [share for share in CURVE_SHARES if (1 - share) * len(ordered) >= 1 - 1e-9]
    without = kaplan_meier(pairs)
    return {
        "share": shares,
        "with_hedging": [ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] for share in shares],
        "without_hedging_estimated": [without.quantile(share) for share in shares],
    }


def _compared(kept: Sequence[Latencies]) -> dict[str, Any]:
    """Estimates that lie where all requests were cancelled are lower bounds: ``without_hedging_at_least``."""
    pairs = _firsts(kept)
    without, at_least = dict[str, float | None](), list[str]()
    curve = kaplan_meier(pairs)
    for percent in PERCENTILES:
        name = f"p{percent:g}"
        without[name] = curve.quantile(percent / 100) if pairs else None
        if pairs and percent / 100 > curve.known + 1e-12:
            at_least.append(name)
    return {
        "with_hedging": _percentiles(sorted(value for latencies in kept for value in latencies.totals)),
        "without_hedging_estimated": without,
        "without_hedging_at_least": at_least,
    }


def _percentiles(ordered: Sequence[float]) -> dict[str, float | None]:
    """By nearest rank."""
    if not ordered:
        return {f"p{percent:g}": None for percent in PERCENTILES}
    ranks = {percent: math.ceil(len(ordered) * percent / 100) for percent in PERCENTILES}
    return {f"p{percent:g}": ordered[max(0, rank - 1)] for percent, rank in ranks.items()}


def _firsts(kept: Iterable[Latencies]) -> list[tuple[float, bool]]:
    """Latencies of first requests, and whether they were cut short."""
    return [
        (value, bool(censored))
        for latencies in kept
        for value, censored in zip(latencies.firsts, latencies.censored, strict=True)
    ]
