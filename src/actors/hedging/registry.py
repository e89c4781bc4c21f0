"""From a hedging configuration to policies, one for each backend and size class.

Called by the composition once per run and by the racing actors for each request. Nothing is process-wide: the
state of two runs, two backends or two size classes never mixes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from ...messages.base import Message
from ...messages.experiment import HedgingConfig
from .adaptive import Adaptive
from .optimal import Optimal
from .options import (
    AdaptiveOptions,
    BackoffOptions,
    NoOptions,
    OptimalOptions,
    PercentileOptions,
    TieredOptions,
    WorkloadOptions,
)
from .plan import HedgePolicy
from .policies import ExponentialBackoff, Fixed, Off, Percentile, WorkloadAware
from .size_class import SizeClass

__all__ = ["DEFAULT_BUDGET_PERCENT", "OPTIONS", "PolicyRegistry", "make_policy"]

DEFAULT_BUDGET_PERCENT = 5.0
"""Used by the token bucket and by ``optimal`` when the experiment sets none."""

OPTIONS: dict[str, type[Message]] = {
    "off": NoOptions,
    "fixed": NoOptions,
    "percentile": PercentileOptions,
    "optimal": OptimalOptions,
    "adaptive": AdaptiveOptions,
    "workload_aware": WorkloadOptions,
    "exponential_backoff": BackoffOptions,
    "tiered": TieredOptions,
}
"""The options Struct of each strategy."""


def make_policy(config: HedgingConfig, options: Message, seed: int) -> HedgePolicy:
    """A fresh policy. ``options`` is the decoded Struct that ``OPTIONS`` names for the strategy.

    For ``tiered`` it says when the second tier starts; the rest of the race is ``tiered.TieredRace``.
    """
    match config.strategy, options:
        case "fixed", _ if config.delay_ms is not None:
            return Fixed(config.delay_ms / 1000)
        case "percentile", PercentileOptions() if config.percentile is not None:
            return Percentile(config.percentile, options)
        case "optimal", OptimalOptions():
            percent = DEFAULT_BUDGET_PERCENT if config.budget_percent is None else config.budget_percent
            return Optimal(percent / 100, options) if percent else Off()
        case "adaptive", AdaptiveOptions():
            return Adaptive(seed, options)
        case "workload_aware", WorkloadOptions():
            return WorkloadAware(options)
        case "exponential_backoff", BackoffOptions():
            return ExponentialBackoff(options)
        case "tiered", TieredOptions():
            return Fixed(options.tiers[0].delay_ms / 1000) if len(options.tiers) > 1 else Off()
        case "off", _:
            return Off()
    raise ValueError(
        f"hedging strategy {config.strategy!r} does not go with delay_ms={config.delay_ms}, "
        f"percentile={config.percentile} and {type(options).__name__}"
    )


class PolicyRegistry:
    """The policies of one run by (backend, size class); each key gets a seed of its own."""

    def __init__(self, make: Callable[[int], HedgePolicy], seed: int) -> None:
        """``make`` builds a policy from a seed."""
        self._make = make
        self._seed = seed
        self._policies: dict[tuple[str, SizeClass], HedgePolicy] = {}

    def policy_for(self, backend: str, size: SizeClass) -> HedgePolicy:
        """The policy that plans and learns for requests of this size."""
        key = (backend, size)
        if key not in self._policies:
            self._policies[key] = self._make(zlib.crc32(repr((self._seed, key)).encode()))
        return self._policies[key]

    def __len__(self) -> int:
        return len(self._policies)
