"""The script of the mock backend: what it says, how fast, how often it fails, what its losses are."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from ...messages.base import Message

__all__ = ["ErrorKind", "ErrorRates", "Lognormal", "MockOptions", "MockReply"]

Rate = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0)]
Price = Annotated[float, Meta(ge=0)]
ErrorKind = Literal["rate_limited", "overloaded", "connection", "timeout", "bad_request"]


class MockReply(Message, frozen=True):
    """One rule of the script. All conditions that are set must hold; a rule without any always holds."""

    text: Annotated[
        str | tuple[str, ...],
        Meta(description="Answer, or several to choose from; {input} and {example_id} are filled in."),
    ]
    contains: Annotated[str | None, Meta(description="Substring of the prompt.")] = None
    matches: Annotated[str | None, Meta(description="Regular expression searched in the prompt.")] = None
    example_id: Annotated[str | None, Meta(description="Id of the example.")] = None
    confidence: Rate | None = None
    finish_reason: Literal["stop", "length", "content_filter", "error"] = "stop"

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("text: expected at least one answer")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"matches: not a regular expression: {error}") from error


class Lognormal(Message, frozen=True):
    """Latency whose logarithm is normal."""

    median: Annotated[float, Meta(gt=0, description="Median in milliseconds.")]
    sigma: Annotated[float, Meta(ge=0, description="Standard deviation of the logarithm.")] = 0.5


class ErrorRates(Message, frozen=True):
    """Share of attempts that fail, by kind; together at most 1."""

    rate_limited: Rate = 0.0
    overloaded: Rate = 0.0
    connection: Rate = 0.0
    timeout: Rate = 0.0
    bad_request: Rate = 0.0

    def __post_init__(self) -> None:
        if sum(rate for _, rate in self.items()) > 1 + 1e-12:
            raise ValueError("error rates: expected a sum of at most 1")

    def items(self) -> tuple[tuple[ErrorKind, float], ...]:
        """Kinds and rates in a fixed order."""
        return (
            ("rate_limited", self.rate_limited),
            ("overloaded", self.overloaded),
            ("connection", self.connection),
            ("timeout", self.timeout),
            ("bad_request", self.bad_request),
        )


class MockOptions(Message, frozen=True):
    """What the mock says, how fast, and how often it fails."""

    replies: Annotated[
        tuple[MockReply, ...], Meta(description="Rules; the first that holds gives the answer.")
    ] = ()
    default: Annotated[
        str,
        Meta(description="Answer when no rule holds: 'echo', 'first_sentence' or a text of its own."),
    ] = "echo"
    latency_ms: Annotated[
        float | tuple[Milliseconds, ...] | Lognormal,
        Meta(description="A number, a list to draw from, or {median, sigma} of a log-normal; 0 = at once."),
    ] = 0.0
    errors: Annotated[ErrorRates, Meta(description="Share of attempts that fail, by kind.")] = field(
        default_factory=ErrorRates
    )
    fail_first_attempts: Annotated[
        int, Meta(ge=0, description="Attempts of each request that always fail, with the kind fail_with.")
    ] = 0
    fail_with: ErrorKind = "rate_limited"
    retry_after_s: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Wait that a rate_limited error asks for.")
    ] = None
    chars_per_token: Annotated[float, Meta(gt=0, description="For the estimated token counts.")] = 4.0
    price_per_million_input_usd: Price | None = None
    price_per_million_output_usd: Price | None = None
    losses: Annotated[
        tuple[float, ...],
        Meta(description="Mean training loss before optimiser step 1, 2, ...; the last repeats. Scripted."),
    ] = ()
    held_out_losses: Annotated[
        tuple[float, ...],
        Meta(description="Mean loss of evaluate after 0, 1, ... optimiser steps; empty: as losses."),
    ] = ()

    def __post_init__(self) -> None:
        if isinstance(self.latency_ms, float | int) and self.latency_ms < 0:
            raise ValueError("latency_ms: expected a number >= 0")
        if isinstance(self.latency_ms, tuple) and not self.latency_ms:
            raise ValueError("latency_ms: expected at least one latency")
        if (self.price_per_million_input_usd is None) != (self.price_per_million_output_usd is None):
            raise ValueError("prices: expected both the input and the output price, or none")
