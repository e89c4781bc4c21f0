"""The options of the stage ``dialectic``, and all else that the agents work by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from ...messages.base import Message
from ...messages.dialectic import AgentName
from ..ports import Arguments

__all__ = ["CriticContext", "DialecticOptions", "DialecticSettings"]

CriticContext = Literal["default", "scientific", "philosophical", "empirical"]
Agent = Literal["auto", "model", "heuristic"]
Share = Annotated[float, Meta(ge=0, le=1)]


class DialecticOptions(Message, frozen=True):
    """Options of dialectic; how requests are asked is up to backend_call."""

    proposer: Annotated[
        Literal["model", "heuristic"], Meta(description="Who states the thesis: the backend, or rules.")
    ] = "model"
    antagonist: Annotated[
        Agent,
        Meta(description="Who objects; auto: the backend if it follows instructions, else rules."),
    ] = "auto"
    synthesizer: Annotated[Agent, Meta(description="Who reconciles; auto as for the antagonist.")] = "auto"
    max_rounds: Annotated[int, Meta(ge=1, le=20, description="Most rounds for one example.")] = 3
    min_rounds: Annotated[
        int, Meta(ge=0, le=20, description="Rounds before a score may end it; 0: a good thesis stands.")
    ] = 1
    target: Annotated[float, Meta(ge=0, le=1, description="Score of the critics that ends it.")] = 0.85
    confidence: Annotated[
        float, Meta(ge=0, le=1, description="Ends it together with coherence and evidence.")
    ] = 0.85
    coherence: Annotated[float, Meta(ge=0, le=1, description="See confidence.")] = 0.8
    evidence: Annotated[float, Meta(ge=0, le=1, description="Mean validity; see confidence.")] = 0.35
    epsilon: Annotated[
        float, Meta(ge=0, le=1, description="Change of text and of score below which it has settled.")
    ] = 0.02
    min_chirality: Annotated[
        float,
        Meta(ge=0, le=1, description="Mean weight of the challenges below which nothing is left to resolve."),
    ] = 0.1
    min_entanglement: Annotated[
        float,
        Meta(ge=0, le=1, description="Shared evidence below which the sides speak of different things."),
    ] = 0.0
    max_challenges: Annotated[int, Meta(ge=1, le=50, description="Challenges kept in a round.")] = 5
    keep: Annotated[
        Literal["last", "best"], Meta(description="The answer: the last synthesis, or the best scored.")
    ] = "last"
    thesis_as: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Measure the thesis too, as a baseline of this name, without asking for it again."),
    ] = None
    critics: Annotated[
        CriticContext, Meta(description="Weights of the critics: default, or of a kind of text.")
    ] = "default"
    entailment: Annotated[
        Literal["lexical", "nli"],
        Meta(
            description="What rules and critics compare texts with: words, or a trained model (needs "
            "transformers and torch; refused when they are not installed)."
        ),
    ] = "lexical"
    entailment_model: Annotated[
        str, Meta(min_length=1, description="NLI model, by name or folder; only for entailment nli.")
    ] = "cross-encoder/nli-deberta-v3-base"

    def __post_init__(self) -> None:
        if self.min_rounds > self.max_rounds:
            raise ValueError(
                f"min_rounds: expected at most max_rounds = {self.max_rounds}, got {self.min_rounds}"
            )
        if self.thesis_as is not None and not (self.thesis_as.strip() and self.thesis_as.isprintable()):
            raise ValueError("thesis_as: expected one line of printable characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialecticSettings:
    """Options with what they come to for this run."""

    options: DialecticOptions
    arguments: Arguments
    models: frozenset[AgentName]
    """The agents that ask the backend; the others go by rules."""
