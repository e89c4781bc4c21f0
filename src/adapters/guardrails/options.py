"""Options of the rule guard, decoded strictly from an experiment file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["THRESHOLDS", "GuardOptions"]

THRESHOLDS = {"strict": 0.5, "default": 0.7, "moderate": 0.8, "permissive": 0.9}


class GuardOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, how sure to be, and what to do with personal data that is found."""

    profile: Annotated[
        Literal["default", "strict", "moderate", "permissive"],
        Meta(description="Threshold: strict 0.5, default 0.7, moderate 0.8, permissive 0.9."),
    ] = "default"
    prompt_injection: Annotated[bool, Meta(description="Look for prompt injection.")] = True
    jailbreak: Annotated[bool, Meta(description="Look for jailbreaks.")] = True
    pii: Annotated[bool, Meta(description="Look for personal data and credentials.")] = True
    redact: Annotated[
        Literal["off", "mask", "placeholder", "hash"],
        Meta(
            description="Personal data at or above the threshold: off leaves it, mask writes one * per"
            " character, placeholder [EMAIL], hash [EMAIL:8 hex digits of a keyed hash]."
        ),
    ] = "off"
    redact_inputs: Annotated[bool, Meta(description="Redact prompts.")] = True
    redact_outputs: Annotated[bool, Meta(description="Redact outputs.")] = True
    hash_key: Annotated[
        str | None,
        Meta(description="For redact = hash: env:NAME of the variable that holds its 16 or more characters."),
    ] = None
    threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Confidence from which a finding flags; overrides the profile."),
    ] = None
    allow_categories: Annotated[
        tuple[str, ...], Meta(description="Categories whose findings are dropped.")
    ] = ()
    max_scan_chars: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="Longer texts are not scanned: they get one finding of category unscanned with"
            " confidence 1 and, where redaction is on, are replaced whole.",
        ),
    ] = 200_000

    @property
    def effective_threshold(self) -> float:
        """The threshold given, else the profile's."""
        return THRESHOLDS[self.profile] if self.threshold is None else self.threshold
