"""A test of a bounded mean that may be looked at after every observation, and a confidence sequence.

Betting, after Waudby-Smith & Ramdas (2024), *Estimating means of bounded random variables by betting*, JRSS
B 86: two gamblers bet against "the mean is m", one on each side, with the predictable plug-in stakes of
their section 4.2, cut off at half of what could ruin them. Under the hypothesis the average of their
capitals is a nonnegative martingale that starts at 1, so P(it ever reaches 1 / alpha) <= alpha (Ville
1939), however often one looks and whenever one stops. Scores of one example must not depend on the answers
before; for clusters feed cluster means.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np

from ...messages.experiment import StatsConfig
from ...messages.findings import Interval, TestResult, Watched
from .answers import Figure, UnfitError, figured, probability, tested
from .pairs import Floats

__all__ = ["BettingTest", "ComparisonWatch", "confidence_sequence", "sequential_test"]

CUT = 0.5
"""Share of the ruinous stake that is never exceeded."""
GRID = 1001


class _Stakes:
    """How much to bet on the next value in [0, 1], from those before (their eq. 26)."""

    def __init__(self, alpha: float) -> None:
        self._log = 2 * math.log(2 / alpha)
        self.n = 0
        self._total = 0.5
        self._squares = 0.25

    def next(self) -> float:
        t = self.n + 1
        variance = self._squares / t
        return math.sqrt(self._log / (variance * t * math.log(t + 1)))

    def update(self, x: float) -> None:
        self.n += 1
        self._total += x
        self._squares += (x - self._total / (self.n + 1)) ** 2


class BettingTest:
    """Tests that the mean of values in [low, high] is ``mean``, one value at a time.

    Differences of paired scores in [0, 1] lie in [-1, 1], the default range, and mean 0 is "no difference".
    """

    def __init__(
        self, *, mean: float = 0.0, low: float = -1.0, high: float = 1.0, alpha: float = 0.05
    ) -> None:
        probability(alpha, "alpha")
        if not low < mean < high:
            raise UnfitError("out_of_range", f"the mean {mean:g} is not inside ({low:g}, {high:g})")
        self._low, self._width = low, high - low
        self._mean = (mean - low) / self._width
        self._alpha = alpha
        self._stakes = _Stakes(alpha)
        self._up = self._down = 0.0  # logarithms of the two capitals
        self._largest = 0.0

    @property
    def n(self) -> int:
        """Values seen."""
        return self._stakes.n

    @property
    def log_e_value(self) -> float:
        """Logarithm of the evidence against the hypothesis as it stands now."""
        return float(np.logaddexp(self._up, self._down)) - math.log(2)

    @property
    def p_value(self) -> float:
        """Valid at any time: one over the largest e-value so far."""
        return math.exp(-self._largest)

    @property
    def rejected(self) -> bool:
        """Whether the evidence ever reached 1 / alpha."""
        return self._largest >= -math.log(self._alpha)

    def update(self, value: float) -> float:
        """Take one value; the p value. Raises ValueError for one outside the range."""
        x = (value - self._low) / self._width
        if not 0.0 <= x <= 1.0:
            raise UnfitError("out_of_range", f"{value:g} is outside the range of the test")
        stake = self._stakes.next()
        gain = x - self._mean
        self._up += math.log1p(min(stake, CUT / self._mean) * gain)
        self._down += math.log1p(-min(stake, CUT / (1 - self._mean)) * gain)
        self._stakes.update(x)
        self._largest = max(self._largest, self.log_e_value)
        return self.p_value


class ComparisonWatch:
    """Differences of paired scores in [-1, 1], one after the other. Implements ``actors.ports.Watch``.

    Of several comparisons that are watched together each is tested at its part of alpha (Bonferroni).
    """

    def __init__(self, *, comparisons: int, config: StatsConfig) -> None:
        self._comparisons = comparisons
        self._level = config.confidence_level
        self._test = BettingTest(alpha=config.alpha / comparisons)
        self._differences = array("d")
        self._decided_after: int | None = None
        self._reason: str | None = None

    def update(self, difference: float) -> float:
        """Take one difference; the p value, corrected for the number of comparisons.

        A difference outside the range ends the watch, with that as the reason.
        """
        if self._reason is not None or not -1.0 <= difference <= 1.0:
            self._reason = self._reason or f"a difference of {difference:g} is outside [-1, 1]"
            return 1.0
        p_value = min(1.0, self._comparisons * self._test.update(difference))
        self._differences.append(difference)
        if self._decided_after is None and self._test.rejected:
            self._decided_after = self._test.n
        return p_value

    def result(self, metric: str, *, names: tuple[str, str]) -> Watched:
        """Where it stands, with limits that hold at all times together."""
        if self._reason is not None or not self._differences:
            return Watched(
                metric=metric,
                system=names[0],
                baseline=names[1],
                n=self._test.n,
                difference=None,
                reason=self._reason or "no example on which both scores are defined",
            )
        sequence = confidence_sequence(self._differences, alpha=(1 - self._level) / self._comparisons)
        method = "betting"
        if self._comparisons > 1:
            method += f", Bonferroni over {self._comparisons}"
        return Watched(
            metric=metric,
            system=names[0],
            baseline=names[1],
            n=self._test.n,
            difference=sequence.value,
            interval=sequence.interval,
            p_value=min(1.0, self._comparisons * self._test.p_value),
            decided_after=self._decided_after,
            method=method,
        )


@tested("betting")
def sequential_test(
    values: Sequence[float], *, mean: float = 0.0, low: float = -1.0, high: float = 1.0, alpha: float = 0.05
) -> TestResult:
    """The test after all ``values``, in their order; the statistic is the logarithm of the e-value."""
    test = BettingTest(mean=mean, low=low, high=high, alpha=alpha)
    stopped = None
    for value in values:
        if math.isnan(value):
            raise UnfitError("not_a_number", "a value is undefined (NaN)")
        test.update(value)
        if stopped is None and test.rejected:
            stopped = test.n
    if not test.n:
        raise UnfitError("too_few", "no value yet")
    when = f"; could have stopped after {stopped}" if stopped else ""
    return TestResult(
        name="betting",
        statistic=test.log_e_value,
        p_value=test.p_value,
        significant=test.rejected,
        notes=f"valid at any time, {test.n} values{when}",
    )


@figured("confidence_sequence")
def confidence_sequence(
    values: Sequence[float], *, low: float = -1.0, high: float = 1.0, alpha: float = 0.05
) -> Figure:
    """Mean of ``values`` with limits that hold at all times together (running intersection)."""
    probability(alpha, "alpha")
    found = np.asarray(values, dtype=float)
    if not len(found):
        raise UnfitError("too_few", "no value yet")
    if np.isnan(found).any():
        raise UnfitError("not_a_number", "a value is undefined (NaN)")
    if not low < high or found.min() < low or found.max() > high:
        raise UnfitError("out_of_range", f"a value is outside [{low:g}, {high:g}]")
    kept = _not_rejected((found - low) / (high - low), alpha)
    interval = Interval(
        low=low + kept[0] * (high - low),
        high=low + kept[1] * (high - low),
        level=1 - alpha,
        method="betting, valid at any time",
    )
    return Figure(name="confidence_sequence", value=float(found.mean()), n=len(found), interval=interval)


def _not_rejected(values: Floats, alpha: float) -> tuple[float, float]:
    """The means on a grid that were never rejected, and the grid step around them."""
    means = np.linspace(0, 1, GRID)[1:-1]
    alive = np.ones(len(means), dtype=bool)
    up, down = np.zeros(len(means)), np.zeros(len(means))
    stakes, bar = _Stakes(alpha), math.log(2 / alpha)
    step = 1 / (GRID - 1)
    kept = (0.0, 1.0)
    for x in values.tolist():
        stake = stakes.next()
        up += np.log1p(np.minimum(stake, CUT / means) * (x - means))
        down += np.log1p(-np.minimum(stake, CUT / (1 - means)) * (x - means))
        stakes.update(x)
        alive &= np.logaddexp(up, down) < bar
        if not alive.any():  # all means rejected: happens with probability alpha at most
            break
        left = means[alive]
        kept = (max(0.0, float(left[0]) - step), min(1.0, float(left[-1]) + step))
    return kept
