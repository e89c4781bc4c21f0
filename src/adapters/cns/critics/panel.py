"""All critics in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ....messages.claims import CriticReport, Sno
from .bias import bias
from .causal import causal
from .grounding import grounding
from .logic import logic
from .novelty import novelty
from .profiles import LEXICAL, Profile

__all__ = ["CRITICS", "critique"]

Critic = Callable[[Sno, Profile], CriticReport]

CRITICS: Mapping[str, Critic] = MappingProxyType(
    {"grounding": grounding, "logic": logic, "novelty": novelty, "causal": causal, "bias": bias}
)


def critique(sno: Sno, profile: Profile = LEXICAL) -> tuple[CriticReport, ...]:
    """The report of every critic on one object."""
    return tuple(critic(sno, profile) for critic in CRITICS.values())
