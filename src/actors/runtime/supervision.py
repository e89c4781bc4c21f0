"""What a supervisor does about a failed child: the policy, and the decision as a pure function.

The rules are those of Erlang/OTP's `supervisor` (Ericsson, supervisor.erl): strategies one_for_one,
one_for_all and rest_for_one; children permanent, transient or temporary; more than `max_restarts` within
`period_s` makes the supervisor itself fail. Backoff and deciders come from Akka. Acting on a decision is
`lifecycle`'s work.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .errors import ActorExited
from .signals import Directive

__all__ = [
    "Backoff",
    "Decider",
    "RestartIntensity",
    "RestartType",
    "Strategy",
    "SupervisionPolicy",
]

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
RestartType = Literal["permanent", "transient", "temporary"]
Decider = Callable[[BaseException], Directive | None]


@dataclass(frozen=True, slots=True)
class RestartIntensity:
    """At most `max_restarts` restarts within `period_s` seconds; one more and the supervisor gives up."""

    max_restarts: int = 3
    period_s: float = 5.0

    def __post_init__(self) -> None:
        if self.max_restarts < 0 or self.period_s <= 0:
            raise ValueError("RestartIntensity: expected max_restarts >= 0 and period_s > 0")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Wait `initial_s * factor**n`, at most `max_s`, before the n-th restart in a row (n from 0).

    `jitter` spreads the wait evenly over ±jitter of itself, from a generator seeded with `seed` and the
    actor's path. A child that ran for `reset_after_s` without failing starts again at n = 0.
    """

    initial_s: float = 0.1
    max_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2
    reset_after_s: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.initial_s <= 0 or self.max_s < self.initial_s or self.factor < 1 or not 0 <= self.jitter < 1:
            raise ValueError("Backoff: expected 0 < initial_s <= max_s, factor >= 1 and 0 <= jitter < 1")

    def delay_s(self, attempt: int, generator: random.Random) -> float:
        """Return the wait before restart number `attempt` (from 0), in seconds."""
        base = min(self.max_s, self.initial_s * self.factor ** min(attempt, 64))
        return base * (1 + self.jitter * generator.uniform(-1, 1)) if self.jitter else base


@dataclass(frozen=True, slots=True)
class SupervisionPolicy:
    """How a supervisor treats the children it spawned with this policy.

    Children of one parent with equal policies form one group: the strategy acts on the group, in the order of
    spawning, and the intensity counts the group's restarts together. `decider` may override what happens
    for an exception; None from it means the rule.
    """

    strategy: Strategy = "one_for_one"
    intensity: RestartIntensity = field(default_factory=RestartIntensity)
    backoff: Backoff | None = None
    decider: Decider | None = None

    def __post_init__(self) -> None:
        if self.strategy not in ("one_for_one", "one_for_all", "rest_for_one"):
            raise ValueError(f"SupervisionPolicy: unknown strategy {self.strategy!r}")


DEFAULT_POLICY = SupervisionPolicy()


def choose(policy: SupervisionPolicy, restart: RestartType, error: BaseException) -> Directive:
    """Return the directive for a failed child, the intensity aside."""
    if restart == "temporary":
        return "stop"
    chosen = policy.decider(error) if policy.decider and not isinstance(error, ActorExited) else None
    return "restart" if chosen is None else chosen


def admit_restart(intensity: RestartIntensity, history: deque[float], now: float) -> bool:
    """Count a restart at `now`; return whether the intensity still allows it. Changes `history`."""
    history.append(now)
    while history and history[0] < now - intensity.period_s:
        history.popleft()
    return len(history) <= intensity.max_restarts


def affected(strategy: Strategy, group: list[int], failed: int) -> list[int]:
    """Return which positions of a group (in order of spawning) a failure at position `failed` concerns."""
    if strategy == "one_for_all":
        return group
    if strategy == "rest_for_one":
        return [position for position in group if position >= failed]
    return [failed]
