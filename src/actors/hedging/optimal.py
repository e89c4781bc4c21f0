"""SingleR fitted online: one duplicate after delay d with probability q, both from what was observed.

Called through ``registry``. The fit is that of ``reissue`` on the Kaplan-Meier curve of a window. With
``correlation = "paired"`` the duplicates' own latencies are used for G as soon as there are enough of them
(duplicates are sent only for slow requests, so this is G given a slow first), and a cancelled first counts as
censored when its duplicate started, see ``latency``.
"""

from __future__ import annotations

import msgspec

from .latency import LatencyWindow
from .options import OptimalOptions
from .plan import HedgePlan, Race, RequestFeatures
from .policies import observe_first, warming_up
from .reissue import Reissues

__all__ = ["MIN_PAIRS", "Optimal"]

WEAKER = (1.0, 1.5, 2.0, 3.0)
"""The share beyond the target percentile, widened by these until a duplicate lowers what is left. With slow
requests about as frequent as the budget allows duplicates, a window with some more of them says that the
target is out of reach: a percentile below it is not, and the next window may say otherwise of the target."""

KEPT = "; kept until more is known of latencies that have changed"

MIN_PAIRS = 30
"""Duplicates that must have answered before their latencies replace those of the first requests."""


class Optimal:
    """The single randomised reissue that is best under a budget for a target percentile."""

    def __init__(self, budget: float, options: OptimalOptions | None = None) -> None:
        """Budget: duplicates per request, in (0, 1]."""
        if not 0 < budget <= 1:
            raise ValueError(f"budget: expected a share in (0, 1], got {budget}")
        self._options = options or OptimalOptions()
        self._budget = budget
        self._paired = self._options.correlation == "paired"
        self._first = LatencyWindow(self._options.window)
        self._copies = LatencyWindow(self._options.window)
        self._answered_copies = 0
        self._fitted: HedgePlan | None = None
        self._kept: HedgePlan | None = None
        """The plan of the regime before, until there is one of this regime."""
        self._fresh_for = 0

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The fit; it is renewed when a tenth of the window is new."""
        del now, features
        if len(self._first) < self._options.min_samples:
            return self._kept or warming_up(len(self._first), self._options.min_samples)
        if self._fitted is None or self._fresh_for <= 0:
            self._fitted = self._fit()
            self._fresh_for = max(10, len(self._first) // 10)
        return self._fitted

    def observe(self, race: Race) -> None:
        """Enter the first request and its duplicates."""
        changes = self._first.changes
        observe_first(self._first, race, at_hedge=self._paired)
        for copy in race.attempts[1:]:
            if copy.outcome != "failed":
                self._copies.observe(copy.latency_s, censored=copy.censored)
                self._answered_copies += not copy.censored
        self._fresh_for -= 1
        if self._first.changes != changes:
            self._copies = LatencyWindow(self._options.window)
            self._answered_copies = 0
            self._kept = self._keep(self._fitted or self._kept)
            self._fitted = None

    def _keep(self, plan: HedgePlan | None) -> HedgePlan | None:
        """A pause would leave every slow request alone; if the plan is wrong by now, the budget bounds it."""
        if plan is None or plan.reason.endswith(KEPT):
            return plan
        return msgspec.structs.replace(plan, reason=f"{plan.reason}{KEPT}")

    def _fit(self) -> HedgePlan:
        first = self._first.curve()
        measured = self._paired and self._answered_copies >= MIN_PAIRS
        copy = self._copies.curve() if measured else first
        reissues = Reissues(first, copy, self._budget)
        target, best = self._options.target_percentile, None
        for factor in WEAKER:
            percentile = 100 - factor * (100 - target)
            best = reissues.best(percentile / 100) if percentile > 0 else None
            if best is not None:
                break
        if best is None:
            return HedgePlan(delay_s=None, probability=0.0, reason=f"no duplicate would lower P{target:g}")
        beyond = "" if percentile == target else f"P{target:g} is out of reach; "
        goal = f"{beyond}P{percentile:g}"
        source = f"{len(self._copies)} duplicates" if measured else "independent duplicates"
        return HedgePlan(
            delay_s=best.delay_s,
            probability=best.probability,
            quantile=1.0 - first.longer_than(best.delay_s),
            reason=f"{goal} expected at {best.reached_s * 1000:.4g} ms with {best.load:.2%} duplicates, "
            f"from {len(self._first)} latencies and {source}",
        )
