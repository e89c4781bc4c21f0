"""Options of the ``guardrails`` stage: those of the guard, and what the stage does about its findings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .options import GuardOptions

__all__ = ["GuardrailsOptions"]


class GuardrailsOptions(GuardOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, and what follows when it is found."""

    fail_on_violation: Annotated[bool, Meta(description="End the run at the first flagged text.")] = False
    drop_flagged: Annotated[
        bool, Meta(description="Flagged inputs go no further; they are counted as dropped.")
    ] = False
    scan_outputs: Annotated[bool, Meta(description="Scan what the backends answer, too.")] = True
