"""What agents of the dialectic make of an object, and what critics measure of it.

An agent's result says who made it (``method``): ``HEURISTIC`` for the rules that need no model, else the
name of the backend. ``problems`` are what could not be read in a model's reply.
"""

from typing import Literal

from msgspec import field

from .base import Message
from .claims import Challenge, Sno

__all__ = ["HEURISTIC", "AgentName", "Assessment", "Drafted", "Objections", "StopReason", "Synthesized"]

HEURISTIC = "heuristic"

AgentName = Literal["proposer", "antagonist", "synthesizer"]
StopReason = Literal["target", "coherent", "no_conflict", "apart", "settled", "max_rounds"]


class Drafted(Message, frozen=True):
    """A thesis; ``sno`` is None when there is no claim."""

    sno: Sno | None
    method: str
    problems: tuple[str, ...] = ()


class Objections(Message, frozen=True):
    """What the antagonist has against a thesis, and the rival reading if it has one."""

    method: str
    challenges: tuple[Challenge, ...] = ()
    antithesis: Sno | None = None
    problems: tuple[str, ...] = ()


class Synthesized(Message, frozen=True):
    """What became of both sides; the challenges come back with their resolutions."""

    sno: Sno | None
    method: str
    challenges: tuple[Challenge, ...] = ()
    problems: tuple[str, ...] = ()


class Assessment(Message, frozen=True):
    """What is measured of an object; the rule that ends the dialectic sees nothing else."""

    score: float | None
    """Of the critics together, in [0, 1]; None when none of them could judge."""
    level: str
    critics: dict[str, float | None]
    method: str
    confidence: float
    coherence: float
    evidence: float
    """Mean validity of the evidence, 0 without any."""
    chirality: float = 0.0
    """Mean over the challenges that led to it."""
    entanglement: float | None = None
    """Share of the evidence that thesis and antithesis have in common; None without an antithesis."""
    conflict: float | None = None
    """How far both exclude each other, times the entanglement."""
    entailment: float | None = None
    """How far both sides are kept in it, by shared words."""
    change: float | None = None
    """1 − the token F1 of its text with that of the thesis it was made from; None for a first thesis."""
    issues: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What each critic finds fault with."""
