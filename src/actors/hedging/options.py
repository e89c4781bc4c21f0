"""The options of each hedging policy, as they stand under ``[reliability.hedging.options]``.

Decoded by the composition, read by the policies.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ...messages.base import Message

__all__ = [
    "AdaptiveOptions",
    "BackoffOptions",
    "NoOptions",
    "OptimalOptions",
    "PercentileOptions",
    "TierOptions",
    "TieredOptions",
    "WorkloadOptions",
]

Milliseconds = Annotated[float, Meta(gt=0)]


class NoOptions(Message, frozen=True):
    """Of off and fixed."""


class PercentileOptions(Message, frozen=True):
    """Of percentile."""

    window: Annotated[int, Meta(ge=10, description="Latencies that are remembered.")] = 1_000
    min_samples: Annotated[
        int, Meta(ge=1, description="No duplicate before so many latencies are known.")
    ] = 10


class OptimalOptions(Message, frozen=True):
    """Of optimal."""

    target_percentile: Annotated[
        float, Meta(gt=0, lt=100, description="The percentile of the latency that is brought down.")
    ] = 99.0
    correlation: Annotated[
        Literal["independent", "paired"],
        Meta(description="paired: a slow request may have a slow duplicate; learn it from the duplicates."),
    ] = "independent"
    window: Annotated[int, Meta(ge=100, description="Latencies that are remembered.")] = 5_000
    min_samples: Annotated[
        int, Meta(ge=10, description="No duplicate before so many latencies are known.")
    ] = 100


class AdaptiveOptions(Message, frozen=True):
    """Of adaptive."""

    delays_ms: Annotated[
        tuple[Milliseconds, ...],
        Meta(min_length=1, description="The delays to choose from, beside no duplicate."),
    ] = (50.0, 100.0, 200.0, 500.0, 1_000.0)
    price: Annotated[
        float, Meta(ge=0, description="What a duplicate may cost in latency, in units of the mean latency.")
    ] = 1.0
    memory: Annotated[int, Meta(ge=10, description="A race weighs 1/e after so many more races.")] = 1_000
    min_samples: Annotated[
        int, Meta(ge=1, description="No duplicate before so many latencies are known.")
    ] = 10
    redraw_every: Annotated[int, Meta(ge=1, description="Races that use one draw from the posterior.")] = 8


class WorkloadOptions(Message, frozen=True):
    """Of workload_aware."""

    base_ms: Annotated[float, Meta(gt=0, description="The delay of an ordinary request.")] = 100.0


class BackoffOptions(Message, frozen=True):
    """Of exponential_backoff."""

    base_ms: Annotated[float, Meta(gt=0, description="The first delay.")] = 100.0
    min_ms: Annotated[float, Meta(gt=0, description="The shortest delay.")] = 10.0
    max_ms: Annotated[float, Meta(gt=0, description="The longest delay.")] = 5_000.0
    decrease_factor: Annotated[
        float, Meta(gt=0, lt=1, description="After a duplicate that won or was not needed.")
    ] = 0.9
    increase_factor: Annotated[float, Meta(gt=1, description="After a duplicate that lost.")] = 1.5
    error_factor: Annotated[float, Meta(gt=1, description="After a request that had no answer.")] = 2.0

    def __post_init__(self) -> None:
        if not self.min_ms <= self.base_ms <= self.max_ms:
            told = f"{self.min_ms:g}, {self.base_ms:g}, {self.max_ms:g}"
            raise ValueError(f"expected min_ms <= base_ms <= max_ms, got {told}")


class TierOptions(Message, frozen=True):
    """One tier of tiered."""

    name: Annotated[str, Meta(min_length=1, description="The backend's name.")]
    delay_ms: Annotated[float, Meta(ge=0, description="The wait before the next tier starts.")] = 1_000.0
    min_quality: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The confidence that an answer of this tier needs; none: any answer is taken."),
    ] = None


class TieredOptions(Message, frozen=True):
    """Of tiered."""

    tiers: Annotated[tuple[TierOptions, ...], Meta(min_length=1, description="In the order they are tried.")]
    timeout_ms: Annotated[float, Meta(gt=0, description="The whole race ends after so long.")] = 30_000.0
