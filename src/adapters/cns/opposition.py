"""Whether two texts say the opposite of each other, by their words alone.

Called by the logic critic, the chirality without embeddings and the flags. Two texts oppose each other when
they are about the same thing and an odd number of four signs turns one against the other:

- *negation*: one has a negating word and the other has none;
- *antonym*: one has a word of a pair (``increased``), the other its opposite (``reduces``) and not itself;
- *number*: each has a number, in digits or words, that the other has not;
- *order*: what stands before *than* in one stands after it in the other.

Texts that differ in one content word only oppose each other half as much: that word may be an opposite that
no list has, or a synonym.

What this cannot see: opposites that are not in the list, opposition by knowledge ("is a virus", "is a
bacterium"), and which word a negation belongs to. It is a heuristic and is named so wherever it is used;
how often it is right stands in ``docs/critics.md``.

Rejected: substrings, as in the reference (``no`` in ``known``); any text with *is* against any with *is not*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from .text import STOP_WORDS, tokens, word_set

__all__ = ["CONTESTED_METHOD", "OPPOSITION_METHOD", "SAME_TOPIC", "Opposition", "contested", "opposition"]

OPPOSITION_METHOD = "lexical opposition: shared words, turned by negation, antonym, number or order"

CONTESTED_METHOD = "half opposition, half similarity"

SAME_TOPIC = 0.5
"""Least share of the shorter text's content words that texts about the same thing have in common."""

NEGATIONS = word_set(
    "no not never none nor neither without cannot cant didnt doesnt dont isnt arent wasnt werent wont "
    "couldnt shouldnt wouldnt hasnt havent hadnt fail fails failed failing lack lacks lacked lacking absent "
    "absence unable incapable inability nothing nobody unaffected unchanged unrelated irrespective regardless"
)

_MORE = "increas* rais* elevat* enhanc* upregulat* augment* amplif* grow grows grew rise rises rose expand*"
_LESS = (
    "decreas* reduc* lower lowers lowered diminish* attenuat* downregulat* declin* fall falls fell shrink*"
)
_MEND = "improv* benefi* protect* alleviat* repair* restor* rescu* ameliorat*"
_BREAK = "worsen* harm* aggravat* exacerbat* deteriorat* impair* damag* disrupt*"
_START = (
    "activat* stimulat* promot* induc* facilitat* accelerat* encourag* trigger* drive drives enable enables"
)
_STOP = (
    "inhibit* suppress* block blocks blocked prevent* inactivat* deactivat* hinder* delay* impede* "
    "discourag* slow slows slowed repress* abolish* abrogat* antagoni*"
)
ANTONYMS = tuple(
    (word_set(left), word_set(right))
    for left, right in (
        (_MORE, _LESS),
        (_MEND, _BREAK),
        (_START, _STOP),
        (
            "higher more greater larger longer faster stronger",
            "lower less fewer smaller shorter slower weaker",
        ),
        (
            "sustain* maintain* perpetuat* preserv* prolong* retain*",
            "disrupt* interrupt* shorten* lose loses lost",
        ),
        ("positive positively", "negative negatively"),
        ("sufficien*", "insufficien*"),
        ("effective effectively successful successfully efficient", "ineffective ineffectively unsuccessful"),
        ("necessary essential required requires require", "dispensable unnecessary redundant"),
        ("sensitive sensitivity susceptible", "insensitive resistant resistance"),
        ("cause causes caused confer confers", "reduce reduces reduced prevent prevents prevented"),
        ("high", "low"),
        ("gain gains", "loss"),
        ("true correct", "false incorrect"),
        ("before prior", "after following"),
        ("acute", "chronic"),
        ("support* confirm*", "refut* contradict*"),
        ("safe", "unsafe toxic dangerous"),
        ("common frequent", "rare uncommon infrequent"),
        ("early", "late"),
        ("better", "worse"),
        ("dependent", "independent"),
        ("significant significantly", "insignificant nonsignificant"),
        ("central", "peripheral"),
        ("intracellular", "extracellular"),
        ("upstream", "downstream"),
        ("majority most", "minority few"),
        ("direct directly", "indirect indirectly"),
        ("similar same equal", "different distinct differ differs"),
        ("stable", "unstable"),
    )
)
"""Pairs of opposites: words, and beginnings of words with a star."""

REPLACED = 0.5
"""What a single exchanged word counts for: it may be an opposite that no list has, or a synonym."""


class Opposition(NamedTuple):
    """How two texts stand to each other."""

    topic: float
    """Shared share of the shorter text's content words, in [0, 1]; signs of polarity do not count."""
    signs: tuple[str, ...]
    """What turns one against the other: negation, antonym, number, order."""
    replaced: bool = False
    """The texts are the same but for one content word of each."""

    @property
    def score(self) -> float:
        """``topic`` when the texts share one and an odd number of signs turns them.

        Half of it when no sign does but one word of each is exchanged; else 0.
        """
        if self.topic < SAME_TOPIC:
            return 0.0
        if len(self.signs) % 2:
            return self.topic
        return REPLACED * self.topic if self.replaced and not self.signs else 0.0


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
    if first.numbers - second.numbers and second.numbers - first.numbers:
        signs.append("number")
    if first.better & second.worse or first.worse & second.better:
        signs.append("order")
    return Opposition(topic, tuple(signs), _replaced(first, second))


def contested(left: str, right: str, similarity: Callable[[str, str], float]) -> float:
    """How likely two readings of the same evidence exclude each other, in [0, 1].

    The mean of ``opposition`` and of a similarity: of two claims that rest on the same sentences and each of
    which says a word that the other does not, the closer they are the less room there is for both. Without
    such words on both sides, and without a sign, the similarity counts 0. For claims on different evidence
    this says nothing, and a paraphrase that exchanges a word of many is taken for a contradiction.
    """
    found = opposition(left, right)
    first, second = ({word for word in tokens(text) if word not in STOP_WORDS} for text in (left, right))
    differ = bool(found.signs) or (not first <= second and not second <= first)
    return 0.5 * found.score + (0.5 * min(1.0, max(0.0, similarity(left, right))) if differ else 0.0)


class _Words(NamedTuple):
    content: frozenset[str]
    negated: bool
    poles: frozenset[tuple[int, int]]
    numbers: frozenset[str]
    better: frozenset[str]
    """Words that stand before *than* and not after it."""
    worse: frozenset[str]
    """Words that stand after *than* and not before it."""


_POLES = [
    (word.rstrip("*"), word.endswith("*"), (number, side))
    for number, pair in enumerate(ANTONYMS)
    for side, words in enumerate(pair)
    for word in sorted(words)
]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORDS = word_set(
    "one two three four five six seven eight nine ten twelve twenty thirty forty fifty hundred half third "
    "quarter twice once double triple"
)
_CONTRACTED = re.compile(r"n[’']t\b")
_COMPARING = word_set("than versus vs compared")


@lru_cache(maxsize=4_096)
def _poles_of(token: str) -> frozenset[tuple[int, int]]:
    return frozenset(
        pole for word, begins, pole in _POLES if token == word or (begins and token.startswith(word))
    )


@lru_cache(maxsize=1_024)
def _read(text: str) -> _Words:
    words = tokens(_CONTRACTED.sub("nt", text))
    poles = frozenset(pole for word in words for pole in _poles_of(word))
    content = frozenset(word for word in words if _carries_topic(word))
    numbers = {*_NUMBER.findall(text), *_NUMBER_WORDS.intersection(words)}
    before, after = _around(words)
    negated = not NEGATIONS.isdisjoint(words)
    return _Words(content, negated, poles, frozenset(numbers), before - after, after - before)


def _around(words: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The words that carry a topic before and after the first word that compares; none without one."""
    place = next((i for i, word in enumerate(words) if word in _COMPARING), None)
    if place is None:
        return frozenset(), frozenset()
    before, after = (
        frozenset(word for word in part if word not in STOP_WORDS) for part in (words[:place], words[place:])
    )
    return before, after


def _carries_topic(word: str) -> bool:
    polar = word in STOP_WORDS or word in NEGATIONS or word in _NUMBER_WORDS or word.isdigit()
    return not polar and not _poles_of(word)


def _replaced(first: _Words, second: _Words) -> bool:
    """Whether one content word of each is another and all others, at least three, are the same."""
    same = len(first.content & second.content)
    return len(first.content) == len(second.content) == same + 1 and same >= 3


def _antonyms(first: frozenset[tuple[int, int]], second: frozenset[tuple[int, int]]) -> bool:
    """Whether some pair has one side here only and its other side there only."""
    for number, side in first:
        other = (number, 1 - side)
        if other in second and other not in first and (number, side) not in second:
            return True
    return False
