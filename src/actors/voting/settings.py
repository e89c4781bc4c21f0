"""All that an ensemble works by: the decoded configuration and the functions that it names.

Made by the composition, read by the council and the ensemble actor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from ...messages.base import Message
from ...messages.experiment import EnsembleConfig
from .ballots import Rules, Vote
from .claims import CheckClaims, ClaimsMerge
from .normalise import Normaliser

__all__ = ["EnsembleOptions", "EnsembleSettings", "MemberOptions", "Score"]

Score = Callable[[Sequence[Vote]], Mapping[str, float]]


class EnsembleOptions(Message, frozen=True):
    """Options of ``[reliability.ensemble.options]``."""

    function: Annotated[
        str | None, Meta(description="Of strategy custom: package.module:function, votes -> score by answer.")
    ] = None
    hedge_delay_ms: Annotated[
        float, Meta(ge=0, description="Execution hedged: how long each member has before the next is asked.")
    ] = 1_000.0
    answers: Annotated[
        int, Meta(ge=2, description="Different answers that a question has; read by learned weights.")
    ] = 2
    strength: Annotated[
        float, Meta(gt=0, description="Shrinkage of learned weights towards equal ones, in questions.")
    ] = 10.0


class MemberOptions(Message, frozen=True):
    """How a member is asked; default: as backend_call asks. They stand among the member's options."""

    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | None, Meta(description="None: that of backend_call.")
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="None: that of backend_call.")
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="None: that of backend_call.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings:
    """Of one run."""

    config: EnsembleConfig
    options: EnsembleOptions
    members: tuple[str, ...]
    """Names, in the order of the file."""
    normalise: Normaliser | None
    """None: the vote is over claims, by ``merge``."""
    merge: ClaimsMerge | None = None
    check: CheckClaims | None = None
    """Of a vote over claims: who is right."""
    score: Score | None = None
    """Of strategy custom."""

    @property
    def rules(self) -> Rules:
        """Quorum and agreement."""
        return Rules(quorum=self.config.quorum, min_agreement=self.config.min_agreement)

    @property
    def timeout_s(self) -> float | None:
        """How long a member is waited for; None: as long as it takes."""
        return None if self.config.timeout_ms is None else self.config.timeout_ms / 1000

    @property
    def learns_weights(self) -> bool:
        """Whether weights come from the validation split."""
        return self.config.strategy == "weighted" and self.config.weights is None

    @property
    def learns(self) -> bool:
        """Whether anything is learned on the validation split before the first vote."""
        return self.learns_weights or self.config.calibration != "off"

    @property
    def deferred(self) -> bool:
        """Whether no question can be decided before all have been answered."""
        return self.config.strategy == "dawid_skene"
