"""The plain policies: off, fixed, percentile, workload aware, exponential back-off.

Called through ``registry``. Each keeps the state of one backend and one size class; none reads a clock or
draws a random number. ``optimal`` and ``adaptive`` have files of their own.
"""

from __future__ import annotations

from .latency import LatencyWindow
from .options import BackoffOptions, PercentileOptions, WorkloadOptions
from .plan import HedgePlan, Race, RequestFeatures

__all__ = ["ExponentialBackoff", "Fixed", "Off", "Percentile", "WorkloadAware", "observe_first"]


class Off:
    """Never a duplicate."""

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """No delay."""
        del now, features
        return HedgePlan(delay_s=None, probability=0.0, reason="hedging is off")

    def observe(self, race: Race) -> None:
        """Nothing to learn."""


class Fixed:
    """Always the same delay."""

    def __init__(self, delay_s: float) -> None:
        self._plan = HedgePlan(delay_s=delay_s, reason=f"fixed delay of {delay_s * 1000:g} ms")

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The delay."""
        del now, features
        return self._plan

    def observe(self, race: Race) -> None:
        """Nothing to learn."""


class Percentile:
    """Wait as long as a percentile of the latencies in a window; no duplicate before there are enough."""

    def __init__(self, percentile: float, options: PercentileOptions | None = None) -> None:
        if not 0 < percentile < 100:
            raise ValueError(f"percentile: expected a number between 0 and 100, got {percentile}")
        self._options = options or PercentileOptions()
        self._percentile = percentile
        self._window = LatencyWindow(self._options.window)

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The percentile of the Kaplan-Meier estimate."""
        del now, features
        if len(self._window) < self._options.min_samples:
            return warming_up(len(self._window), self._options.min_samples)
        share = self._percentile / 100
        delay = self._window.quantile(share)
        return HedgePlan(
            delay_s=delay,
            reason=f"P{self._percentile:g} of {len(self._window)} latencies",
            quantile=share,
        )

    def observe(self, race: Race) -> None:
        """Enter the first request."""
        observe_first(self._window, race)


class WorkloadAware:
    """A base delay times a factor for each of prompt length, model, time of day and priority."""

    def __init__(self, options: WorkloadOptions | None = None) -> None:
        self._base_s = (options or WorkloadOptions()).base_ms / 1000

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The product of the table, at least 10 ms."""
        del now
        factors = {
            "prompt": _prompt_factor(features.prompt_chars),
            "complexity": {"simple": 0.5, "medium": 1.0, "complex": 2.0}[features.complexity],
            "period": {"peak": 0.7, "normal": 1.0, "off_peak": 1.3}[features.period],
            "priority": {"high": 0.6, "normal": 1.0, "low": 1.5}[features.priority],
        }
        delay = self._base_s
        for factor in factors.values():
            delay *= factor
        told = ", ".join(f"{name} x{factor:g}" for name, factor in factors.items() if factor != 1)
        return HedgePlan(
            delay_s=max(delay, 0.010),
            reason=f"base {self._base_s * 1000:g} ms" + (f", {told}" if told else ""),
        )

    def observe(self, race: Race) -> None:
        """Nothing to learn."""


class ExponentialBackoff:
    """A delay that shrinks while duplicates win or are not needed, and grows when they lose or all fail."""

    def __init__(self, options: BackoffOptions | None = None) -> None:
        self._options = options or BackoffOptions()
        self._delay_ms = self._options.base_ms

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The current delay."""
        del now, features
        return HedgePlan(delay_s=self._delay_ms / 1000, reason=f"backed off to {self._delay_ms:.4g} ms")

    def observe(self, race: Race) -> None:
        """Won or not needed: x decrease; lost: x increase; no answer at all: x error."""
        options = self._options
        if race.winner is None:
            factor = options.error_factor
        elif race.hedged and race.winner == 0:
            factor = options.increase_factor
        else:
            factor = options.decrease_factor
        self._delay_ms = min(max(self._delay_ms * factor, options.min_ms), options.max_ms)


def warming_up(seen: int, needed: int) -> HedgePlan:
    """No duplicate yet."""
    return HedgePlan(delay_s=None, probability=0.0, reason=f"warming up: {seen} of {needed} latencies")


def observe_first(window: LatencyWindow, race: Race, *, at_hedge: bool = False) -> None:
    """Enter a race's first request; a failure says nothing of how long an answer takes and is left out.

    ``at_hedge`` enters the first of a hedged race as censored when the first duplicate started, unless its
    loser was let run: right when a slow request has a slow duplicate.
    """
    first = race.attempts[0]
    if at_hedge and race.hedged and not race.control:
        window.observe(race.attempts[1].started_s, censored=True)
    elif first.outcome != "failed":
        window.observe(first.latency_s, censored=first.censored)


def _prompt_factor(chars: int) -> float:
    for limit, factor in ((4_000, 2.5), (2_000, 2.0), (1_000, 1.5)):
        if chars > limit:
            return factor
    return 1.0
