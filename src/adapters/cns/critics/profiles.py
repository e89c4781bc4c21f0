"""What the critics compare texts with: word counts, or models that are handed in.

A profile is three functions with one name for the results. ``LEXICAL`` uses the formulas of the CNS
literature: the Jaccard index of all words for support and for similarity. It falls with the length of the
evidence and is no entailment; a paraphrase scores near 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..chirality import Embed
from ..opposition import OPPOSITION_METHOD, opposition
from ..scores import jaccard
from ..text import known_tokens

__all__ = ["LEXICAL", "Judged", "PairScorer", "Profile", "model_profile"]

Compare = Callable[[str, str], float]


class Profile(NamedTuple):
    """How texts are compared; every value is in [0, 1]."""

    name: str
    support: Compare
    """How far the second text, evidence, bears out the first, a claim."""
    contradiction: Compare
    """How far two statements exclude each other."""
    similarity: Compare
    """How much two texts say the same."""


class Judged(Protocol):
    """Probabilities of one pair."""

    @property
    def entailment(self) -> float:
        """That the premise entails the hypothesis."""
        ...

    @property
    def contradiction(self) -> float:
        """That they exclude each other."""
        ...


class PairScorer(Protocol):
    """A model of natural-language inference."""

    @property
    def method(self) -> str:
        """Name and settings, for the results."""
        ...

    def verdicts(self, pairs: Sequence[tuple[str, str]]) -> Sequence[Judged]:
        """Probabilities of (premise, hypothesis) pairs."""
        ...


def word_overlap(left: str, right: str) -> float:
    """Jaccard index of all words, stop words included."""
    return jaccard(known_tokens(left), known_tokens(right))


def _opposed(left: str, right: str) -> float:
    return opposition(left, right).score


LEXICAL = Profile("lexical", word_overlap, _opposed, word_overlap)


def model_profile(
    *, scorer: PairScorer | None = None, embed: Embed | None = None, embedding: str = ""
) -> Profile:
    """A profile of the models at hand; what no model is given for stays lexical, and the name says which.

    Args:
        scorer: gives support (P(entailment) of the claim by the evidence) and contradiction (the greater of
            P(contradiction) in both directions).
        embed: unit vectors; their cosine, at least 0, is the similarity, and the support where there is no
            scorer.
        embedding: the name of ``embed`` for the results.
    """
    if scorer is None and embed is None:
        raise ValueError("a model profile needs a scorer or an embedding")
    cosine = LEXICAL.similarity if embed is None else _cosine(embed)
    near = embedding or "embedding"
    if scorer is None:
        return Profile(f"model: cosine of {near}; {OPPOSITION_METHOD}", cosine, _opposed, cosine)
    nli = scorer

    def support(claim: str, evidence: str) -> float:
        return _unit(nli.verdicts([(evidence, claim)])[0].entailment)

    def contradiction(left: str, right: str) -> float:
        both = nli.verdicts([(left, right), (right, left)])
        return _unit(max(judged.contradiction for judged in both))

    similar = "word overlap" if embed is None else f"cosine of {near}"
    return Profile(f"model: {scorer.method}; {similar}", support, contradiction, cosine)


def _cosine(embed: Embed) -> Compare:
    def compare(left: str, right: str) -> float:
        first, second = embed([left, right])
        return _unit(float(first @ second))

    return compare


def _unit(value: float) -> float:
    """In [0, 1]; a value that is no number counts as 0."""
    return 0.0 if math.isnan(value) else min(1.0, max(0.0, value))
