"""The options of the race itself, beside those of the policy, under ``[reliability.hedging.options]``.

Decoded by the composition, read by the pool and the races.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ...messages.base import Message
from ...messages.experiment import HedgingConfig

__all__ = ["HedgeSettings", "RacingOptions"]


class RacingOptions(Message, frozen=True):
    """Of every strategy."""

    clone_at_end: Annotated[
        bool, Meta(description="When no rows wait, free slots clone the longest-running requests.")
    ] = False
    hold_s: Annotated[
        float, Meta(ge=0, description="No duplicates for so long after a sign of overload.")
    ] = 10.0
    breaker_failures: Annotated[
        int, Meta(ge=1, description="Failures in a row after which a backend is left alone.")
    ] = 10
    breaker_open_s: Annotated[float, Meta(gt=0, description="How long it is left alone.")] = 5.0
    load_guard: Annotated[
        bool, Meta(description="No duplicates while the server is busy, unless a trial shows that they help.")
    ] = True
    complexity: Annotated[
        Literal["simple", "medium", "complex"], Meta(description="Read by workload_aware.")
    ] = "medium"
    period: Annotated[Literal["peak", "normal", "off_peak"], Meta(description="Read by workload_aware.")] = (
        "normal"
    )
    priority: Annotated[Literal["high", "normal", "low"], Meta(description="Read by workload_aware.")] = (
        "normal"
    )


class HedgeSettings(Message, frozen=True):
    """All that hedging works by; the strategy is not "off"."""

    config: HedgingConfig
    policy: Message
    """The decoded options of the strategy."""
    racing: RacingOptions
