"""Thompson sampling over delays (Thompson 1933), with a posterior that knows of censoring.

Called through ``registry``. The unknown is the distribution of latencies, not a reward for each delay: one
race says something of all delays. Time is cut into bins of equal width in its logarithm. The chance h_j to
be answered within bin j, given that no answer came before, has a Beta prior, independent over bins: the
discrete beta process of Hjort (1990). Answers and right-censored latencies are conjugate to it,

    h_j | data ~ Beta(A + answers in j, B + survived j),

where a cancelled request counts as surviving the bins before the one it was cancelled in, and nothing after.
Duplicates have a process of their own whose prior is centred on the draw for first requests, so that they are
like first requests until they are seen to differ.

A draw of both gives for each delay d the loss

    E[min(X, d + Y)] + price * E[X] * P(X > d)

and the delay with the smallest loss is used, or none. So each delay is chosen with the posterior probability
that it is best. A draw serves ``redraw_every`` races (batched Thompson sampling). Old races fade.

Rejected: a Beta over a made-up reward in [0, 1] for each delay (throws away by how much a race was won, and
learns every delay apart), and scoring the posterior's mean with a little noise (not Thompson sampling: it
settles on an arm by accident).
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right

from .options import AdaptiveOptions
from .plan import HedgePlan, Race, RequestFeatures
from .policies import warming_up

__all__ = ["Adaptive", "HazardPosterior", "expected_losses"]

_PER_DECADE = 12
_SHORTEST, _DECADES = 1e-3, 6
EDGES = tuple(_SHORTEST * 10 ** (i / _PER_DECADE) for i in range(_PER_DECADE * _DECADES + 1))
"""Seconds: bin j ends at EDGES[j]; the last bin ends at 1,000 s, and what takes longer counts as that."""

_PRIOR = (0.01, 0.04)  # beyond the data a tail like that of a Pareto law with alpha about 1.2
_COPY_PRIOR = 10.0  # a duplicate's hazard is believed as if ten had been seen to behave like first requests


class HazardPosterior:
    """Faded counts of answers and of censored latencies by bin."""

    def __init__(self, memory: int) -> None:
        self._growth = math.exp(1 / memory)
        self._weight = 1.0
        self._answered = [0.0] * len(EDGES)
        self._censored = [0.0] * len(EDGES)
        self.seen = 0

    def observe(self, latency_s: float, *, censored: bool) -> None:
        """Enter a latency in seconds; ``censored`` when it would have been longer."""
        index = min(bisect_right(EDGES, latency_s), len(EDGES) - 1)
        (self._censored if censored else self._answered)[index] += self._weight
        self._weight *= self._growth
        self.seen += 1
        if self._weight > 1e9:  # rescale before floats lose the old counts
            self._answered = [count / self._weight for count in self._answered]
            self._censored = [count / self._weight for count in self._censored]
            self._weight = 1.0

    def draw(self, rng: random.Random, centre: list[float] | None = None) -> list[float]:
        """Survival at each bin's end, drawn from the posterior; ``centre`` are survivals to centre on."""
        at_risk = sum(self._answered) + sum(self._censored)
        survival, alive, before = [], 1.0, 1.0
        for j in range(len(EDGES)):
            at_risk -= self._censored[j]
            answered = self._answered[j]
            survived = max(at_risk - answered, 0.0)
            if centre is None:
                prior = _PRIOR
            else:
                hazard = 1.0 - centre[j] / before if before > 0 else 1.0
                before = centre[j]
                prior = (_COPY_PRIOR * hazard + 1e-3, _COPY_PRIOR * (1 - hazard) + 1e-3)
            alive *= 1.0 - rng.betavariate(
                prior[0] + answered / self._weight, prior[1] + survived / self._weight
            )
            survival.append(alive)
            at_risk = survived
        return survival


class Adaptive:
    """Thompson sampling over a few delays and no duplicate."""

    def __init__(self, seed: int, options: AdaptiveOptions | None = None) -> None:
        self._options = options or AdaptiveOptions()
        self._delays = tuple(sorted(delay / 1000 for delay in self._options.delays_ms))
        self._rng = random.Random(seed)
        self._first = HazardPosterior(self._options.memory)
        self._copies = HazardPosterior(self._options.memory)
        self._current: HedgePlan | None = None
        self._fresh_for = 0

    def plan(self, now: float, features: RequestFeatures) -> HedgePlan:
        """The best delay of the current draw."""
        del now, features
        if self._first.seen < self._options.min_samples:
            return warming_up(self._first.seen, self._options.min_samples)
        if self._current is None or self._fresh_for <= 0:
            self._current = self._choose()
            self._fresh_for = self._options.redraw_every
        return self._current

    def observe(self, race: Race) -> None:
        """Enter the first request and its duplicates; failures say nothing of how long an answer takes."""
        for index, attempt in enumerate(race.attempts):
            if attempt.outcome != "failed":
                posterior = self._copies if index else self._first
                posterior.observe(attempt.latency_s, censored=attempt.censored)
        self._fresh_for -= 1

    def _choose(self) -> HedgePlan:
        first = self._first.draw(self._rng)
        copy = self._copies.draw(self._rng, first)
        never, losses = expected_losses(first, copy, self._delays, self._options.price)
        best = min(range(len(losses)), key=losses.__getitem__)
        if losses[best] >= never:
            return HedgePlan(delay_s=None, probability=0.0, reason="drawn: no duplicate is worth its price")
        delay = self._delays[best]
        return HedgePlan(
            delay_s=delay,
            quantile=1.0 - _survival(first, delay),
            reason=f"drawn: {delay * 1000:g} ms has the smallest loss, {losses[best] * 1000:.4g} ms "
            f"against {never * 1000:.4g} ms without",
        )


def expected_losses(
    first: list[float], copy: list[float], delays: tuple[float, ...], price: float
) -> tuple[float, list[float]]:
    """The mean latency without a duplicate and the loss of each delay, in seconds, by the middle of bins."""
    mean = _mean(first)
    losses = []
    for delay in delays:
        saved, lower = 0.0, 0.0
        for j, upper in enumerate(EDGES):
            middle = (lower + upper) / 2
            if middle > delay:
                open_ = (first[j - 1] if j else 1.0) + first[j]
                saved += (upper - lower) * open_ / 2 * (1.0 - _survival(copy, middle - delay))
            lower = upper
        losses.append(mean - saved + price * mean * _survival(first, delay))
    return mean, losses


def _mean(survival: list[float]) -> float:
    total, lower, open_ = 0.0, 0.0, 1.0
    for upper, after in zip(EDGES, survival, strict=True):
        total += (upper - lower) * (open_ + after) / 2
        lower, open_ = upper, after
    return total


def _survival(survival: list[float], seconds: float) -> float:
    """Between the ends of bins in a straight line."""
    j = bisect_right(EDGES, seconds)
    if j >= len(EDGES):
        return 0.0
    lower, before = (EDGES[j - 1], survival[j - 1]) if j else (0.0, 1.0)
    return before + (survival[j] - before) * (seconds - lower) / (EDGES[j] - lower)
