"""Whether two texts say the opposite of each other, by their words alone.

Called by the logic critic, the chirality without embeddings and the flags. Two texts oppose each other when
they are about the same thing and an odd number of three signs turns one against the other:

- *negation*: one has a negating word and the other has none;
- *antonym*: one has a word of a pair (``increased``), the other its opposite (``reduces``) and not itself;
- *number*: both have numbers, and they share none.

What this cannot see: opposites that are not in the list, opposition by knowledge ("is a virus", "is a
bacterium"), and which word a negation belongs to. It is a heuristic and is named so wherever it is used;
how often it is right stands in ``docs/critics.md``.

Rejected: substrings, as in the reference (``no`` in ``known``); any text with *is* against any with *is not*.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .text import STOP_WORDS, tokens, word_set

__all__ = ["OPPOSITION_METHOD", "SAME_TOPIC", "Opposition", "opposition"]

OPPOSITION_METHOD = "lexical opposition: shared words, turned by negation, antonym or number"

SAME_TOPIC = 0.5
"""Least share of the shorter text's content words that texts about the same thing have in common."""

NEGATIONS = word_set(
    "no not never none nor neither without cannot cant didnt doesnt dont isnt arent wasnt werent wont "
    "couldnt shouldnt wouldnt hasnt havent hadnt fail fails failed failing lack lacks lacked lacking absent "
    "absence unable nothing nobody unaffected unchanged unrelated independent irrespective regardless"
)

ANTONYMS = tuple(
    (word_set(left), word_set(right))
    for left, right in (
        (
            "increas* rais* elevat* enhanc* upregulat* augment* grow grows grew rise rises rose",
            "decreas* reduc* lower lowers lowered diminish* attenuat* downregulat* declin* fall falls fell",
        ),
        (
            "higher more greater larger longer faster stronger",
            "lower less fewer smaller shorter slower weaker",
        ),
        ("improv* benefi* protect* alleviat*", "worsen* harm* aggravat* exacerbat* deteriorat* impair*"),
        (
            "activat* stimulat* promot* induc* facilitat* accelerat*",
            "inhibit* suppress* block blocks blocked prevent* inactivat* hinder* delay*",
        ),
        ("positive positively", "negative negatively"),
        ("sufficien*", "insufficien*"),
        ("effective effectively", "ineffective ineffectively"),
        ("necessary essential required requires require", "dispensable unnecessary redundant"),
        ("sensitive sensitivity", "insensitive resistant resistance"),
        ("present presence", "absent absence"),
        ("high", "low"),
        ("gain", "loss"),
        ("true correct", "false incorrect"),
        ("always", "never"),
        ("all every", "none"),
        ("before", "after"),
        ("acute", "chronic"),
        ("support* confirm*", "refut* contradict*"),
        ("safe", "unsafe toxic dangerous"),
        ("common frequent", "rare uncommon infrequent"),
        ("early", "late"),
        ("better", "worse"),
        ("able", "unable"),
        ("dependent", "independent"),
        ("significant significantly", "insignificant nonsignificant"),
    )
)
"""Pairs of opposites: words, and beginnings of words with a star."""


class Opposition(NamedTuple):
    """How two texts stand to each other."""

    topic: float
    """Shared share of the shorter text's content words, in [0, 1]; signs of polarity do not count."""
    signs: tuple[str, ...]
    """What turns one against the other: negation, antonym, number."""

    @property
    def score(self) -> float:
        """``topic`` when the texts share one and an odd number of signs turns them, else 0."""
        return self.topic if len(self.signs) % 2 and self.topic >= SAME_TOPIC else 0.0


def opposition(left: str, right: str) -> Opposition:
    """How two texts stand to each other; symmetric."""
    first, second = _read(left), _read(right)
    smaller = min(len(first.content), len(second.content))
    topic = len(first.content & second.content) / smaller if smaller else 0.0
    signs = []
    if first.negated != second.negated:
        signs.append("negation")
    if _antonyms(first.poles, second.poles):
        signs.append("antonym")
    if first.numbers and second.numbers and not first.numbers & second.numbers:
        signs.append("number")
    return Opposition(topic, tuple(signs))


class _Words(NamedTuple):
    content: frozenset[str]
    negated: bool
    poles: frozenset[tuple[int, int]]
    numbers: frozenset[str]


_POLES = [
    (word.rstrip("*"), word.endswith("*"), (number, side))
    for number, pair in enumerate(ANTONYMS)
    for side, words in enumerate(pair)
    for word in sorted(words)
]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CONTRACTED = re.compile(r"n[’']t\b")


@lru_cache(maxsize=4_096)
def _poles_of(token: str) -> frozenset[tuple[int, int]]:
    return frozenset(
        pole for word, begins, pole in _POLES if token == word or (begins and token.startswith(word))
    )


@lru_cache(maxsize=1_024)
def _read(text: str) -> _Words:
    words = tokens(_CONTRACTED.sub("nt", text))
    poles = frozenset(pole for word in words for pole in _poles_of(word))
    content = frozenset(
        word
        for word in words
        if word not in STOP_WORDS and word not in NEGATIONS and not word.isdigit() and not _poles_of(word)
    )
    return _Words(content, not NEGATIONS.isdisjoint(words), poles, frozenset(_NUMBER.findall(text)))


def _antonyms(first: frozenset[tuple[int, int]], second: frozenset[tuple[int, int]]) -> bool:
    """Whether some pair has one side here only and its other side there only."""
    for number, side in first:
        other = (number, 1 - side)
        if other in second and other not in first and (number, side) not in second:
            return True
    return False
