"""Power, sample size and minimum detectable effect, by the noncentral t and F and the normal for rates.

``power_analysis`` solves for whichever of ``effect``, ``n`` and ``power`` is left out, as R's pwr does:

- ``paired_t``: effect d_z, n pairs (a single sample against a constant is the same);
- ``two_sample_t``: effect d, n in the first group, ``ratio`` times as many in the second;
- ``anova``: effect Cohen's f, n in each of ``groups`` groups;
- ``two_proportions``: effect the difference of the second rate from ``rate``, n in each group, by R's
  power.prop.test: pooled variance under the null, both tails counted.

Sources: Cohen (1988); R ``pwr`` 1.3 and ``stats``. Power computed from the effect that was observed says
nothing that the p value does not (Hoenig & Heisey 2001): put in the effect that would matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from ...messages.base import Message
from ...messages.findings import Status
from .answers import UnfitError, probability
from .noncentral import bisect, f_below, t_below
from .sign_flip import Alternative

__all__ = ["Design", "PowerResult", "power_analysis"]

Kind = Literal["paired_t", "two_sample_t", "anova", "two_proportions"]
MAX_N = 1e7
MAX_EFFECT = 1e3


class Design(Message, frozen=True):
    """What will be tested, and how."""

    kind: Kind
    alpha: float = 0.05
    alternative: Alternative = "two-sided"
    """Direction of the effect, for t tests."""
    groups: int = 2
    ratio: float = 1.0
    rate: float = 0.5


class PowerResult(Message, frozen=True):
    """Effect, n and power that belong together; None with a status and a reason where they do not."""

    design: Design
    effect: float | None
    n: float | None
    """Per group (pairs, for paired_t); not rounded. ``n_whole`` is what to collect."""
    power: float | None
    status: Status = "ok"
    reason: str | None = None

    @property
    def n_whole(self) -> int | None:
        """The whole number of units that reaches the power."""
        return None if self.n is None else math.ceil(self.n - 1e-9)


def power_analysis(
    design: Design, *, effect: float | None = None, n: float | None = None, power: float | None = None
) -> PowerResult:
    """Solve for the one of ``effect``, ``n`` and ``power`` that is None. ValueError if it is not one."""
    if [effect, n, power].count(None) != 1:
        raise ValueError("give two of effect, n and power; the third is computed")
    try:
        _check(design, effect, n, power)
        if power is None:
            power = _power(design, effect or 0.0, n or 0.0)
        elif n is None:
            n = _solve_n(design, effect or 0.0, power)
        else:
            effect = _solve_effect(design, n, power)
    except UnfitError as unfit:
        return PowerResult(
            design=design, effect=effect, n=n, power=power, status=unfit.status, reason=unfit.reason
        )
    return PowerResult(design=design, effect=effect, n=n, power=power)


def _check(design: Design, effect: float | None, n: float | None, power: float | None) -> None:
    probability(design.alpha, "alpha")
    if design.kind == "two_proportions":
        probability(design.rate, "the rate")
        if effect is not None:
            probability(design.rate + effect, "the second rate", closed=True)
    if design.kind == "anova" and design.groups < 2:
        raise UnfitError("one_group", f"{design.groups} of the 2 groups that are needed")
    if not design.ratio > 0:
        raise UnfitError("out_of_range", f"the ratio is {design.ratio:g}, not a positive number")
    for name, value in (("the effect", effect), ("n", n)):
        if value is not None and not math.isfinite(value):
            raise UnfitError("not_a_number" if math.isnan(value) else "infinite", f"{name} is {value}")
    if n is not None and n < _least_n(design):
        raise UnfitError("too_few", f"n is {n:g}, {_least_n(design):g} is the least")
    if power is not None and probability(power, "the power") <= design.alpha:
        raise UnfitError("out_of_range", f"the power is {power:g}, not above alpha {design.alpha:g}")


def _least_n(design: Design) -> float:
    if design.kind == "two_sample_t":
        return max(2.0, 2 / design.ratio)
    return 1.0 if design.kind == "two_proportions" else 2.0


def _power(design: Design, effect: float, n: float) -> float:
    return POWERS[design.kind](design, effect, n)


def _t_power(design: Design, nc: float, df: float) -> float:
    from scipy.special import stdtrit

    if design.alternative != "two-sided":
        critical = float(stdtrit(df, 1 - design.alpha))
        # P(T > c) at nc is P(T < -c) at -nc: the small tail is computed, not 1 minus the large one
        return t_below(df, -nc if design.alternative == "greater" else nc, -critical)
    critical = float(stdtrit(df, 1 - design.alpha / 2))
    return t_below(df, nc, -critical) + t_below(df, -nc, -critical)


def _paired_t(design: Design, effect: float, n: float) -> float:
    return _t_power(design, effect * math.sqrt(n), n - 1)


def _two_sample_t(design: Design, effect: float, n: float) -> float:
    second = n * design.ratio
    return _t_power(design, effect * math.sqrt(n * second / (n + second)), n + second - 2)


def _anova(design: Design, effect: float, n: float) -> float:
    from scipy.special import fdtri

    df1, df2 = design.groups - 1, design.groups * (n - 1)
    critical = float(fdtri(df1, df2, 1 - design.alpha))
    return 1 - f_below(df1, df2, effect**2 * n * design.groups, critical)


def _two_proportions(design: Design, effect: float, n: float) -> float:
    from scipy.special import ndtr, ndtri

    p, q = design.rate, design.rate + effect
    pooled = (p + q) / 2
    sides = 2 if design.alternative == "two-sided" else 1
    null = -float(ndtri(design.alpha / sides)) * math.sqrt(2 * pooled * (1 - pooled))
    spread = math.sqrt(p * (1 - p) + q * (1 - q))
    shift = math.sqrt(n) * effect
    up, down = float(ndtr((shift - null) / spread)), float(ndtr((-shift - null) / spread))
    if sides == 2:
        return up + down
    return up if design.alternative == "greater" else down


POWERS: dict[str, Callable[[Design, float, float], float]] = {
    "paired_t": _paired_t,
    "two_sample_t": _two_sample_t,
    "anova": _anova,
    "two_proportions": _two_proportions,
}


def _solve_n(design: Design, effect: float, power: float) -> float:
    least = _least_n(design)
    if _power(design, effect, MAX_N) < power:
        wrong_way = f"no n up to {MAX_N:.0e} finds an effect of {effect:g} with power {power:g}"
        raise UnfitError("unreachable", wrong_way)
    if _power(design, effect, least) >= power:
        return least
    logarithm = bisect(
        lambda size: power - _power(design, effect, math.exp(size)), math.log(least), math.log(MAX_N)
    )
    return math.exp(logarithm)


def _solve_effect(design: Design, n: float, power: float) -> float:
    """The smallest effect in the direction of the alternative (upwards, where it has none)."""
    sign = -1.0 if design.alternative == "less" else 1.0
    if design.kind == "two_proportions":
        top = design.rate if sign < 0 else 1 - design.rate
        if _power(design, sign * top, n) < power:
            raise UnfitError("unreachable", f"no difference from {design.rate:g} has power {power:g}")
    else:
        top = _reach(design, n, power, sign)
    return sign * bisect(lambda size: power - _power(design, sign * size, n), 0.0, top)


def _reach(design: Design, n: float, power: float, sign: float) -> float:
    top = 1.0
    while _power(design, sign * top, n) < power:
        top *= 2
        if top > MAX_EFFECT:
            raise UnfitError("unreachable", f"no effect up to {MAX_EFFECT:g} has power {power:g}")
    return top
