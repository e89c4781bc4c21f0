"""A text with all that the features count in it, read once."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ...cns.text import STOP_WORDS, tokens
from .cues import Cues, find_cues, numbers, stem

__all__ = ["Text", "read"]

_GRAM = 4


class Text(NamedTuple):
    """Words in order, and sets of what they hold; stems and pairs of stems leave out function words."""

    words: list[str]
    content: frozenset[str]
    stems: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    grams: frozenset[str]
    numbers: frozenset[str]
    cues: Cues


def read(text: str, *, grams: bool) -> Text:
    """Count what is in a text; its pieces of four letters only where ``grams`` asks for them."""
    words = tokens(text)
    content = [word for word in words if word not in STOP_WORDS]
    stems = [stem(word) for word in content]
    distinct = frozenset(content)
    return Text(
        words=words,
        content=distinct,
        stems=frozenset(stems),
        bigrams=frozenset(pairwise(stems)),
        grams=frozenset(gram for word in distinct for gram in _grams(word)) if grams else frozenset(),
        numbers=numbers(text),
        cues=find_cues(text, words),
    )


def _grams(word: str) -> list[str]:
    return [word[i : i + _GRAM] for i in range(max(len(word) - _GRAM + 1, 1))]
