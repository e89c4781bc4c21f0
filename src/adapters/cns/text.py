"""The one notion of a token in this package, and the scores built on it.

Called by everything here that compares texts. A token is a maximal run of letters and digits (any script) in
lower case; ``-``, ``+`` and punctuation separate. Stop words are a short closed list of English function
words without negations: *no*, *not*, *without* carry the meaning of a claim.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "STOP_WORDS",
    "content_tokens",
    "known_tokens",
    "normalise",
    "token_f1",
    "tokens",
    "word_set",
]

_TOKEN = re.compile(r"[^\W_]+")


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for word lists that stay readable."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    "a about after also although an and are as at be because been being between both but by can could did do "
    "does during each for from had has have having he her here his how however i if in into is it its may "
    "might more most of on or other our out over she should since so some such than that the their them then "
    "there these they this those through to under until up upon us was we were what when where whether which "
    "while who whom whose will with would you your"
)


def normalise(text: str) -> str:
    """Lower case with every run of white space as one blank and none at the ends."""
    return " ".join(text.split()).casefold()


def tokens(text: str) -> list[str]:
    """Tokens in order."""
    return _TOKEN.findall(text.casefold())


@lru_cache(maxsize=1_024)  # the sentences of a passage are asked about for every claim and system
def known_tokens(text: str) -> tuple[str, ...]:
    """``tokens``, remembered."""
    return tuple(tokens(text))


def content_tokens(text: str) -> list[str]:
    """Tokens without stop words, in order."""
    return [token for token in tokens(text) if token not in STOP_WORDS]


def token_f1(left: str, right: str) -> float:
    """F1 of the bags of tokens of two texts (the SQuAD measure, Rajpurkar et al. 2016); 0 if one has none."""
    (bag, size), (other, other_size) = _bag(left), _bag(right)
    common = 0
    for token in bag.keys() & other.keys():
        common += min(bag[token], other[token])
    return 2 * common / (size + other_size) if common else 0.0


@lru_cache(maxsize=1_024)
def _bag(text: str) -> tuple[dict[str, int], int]:
    """Tokens with their counts, and how many there are."""
    found = known_tokens(text)
    bag: dict[str, int] = {}
    for token in found:
        bag[token] = bag.get(token, 0) + 1
    return bag, len(found)
