"""Lexical support: how much of what a claim says stands in the document.

The default of the metrics adapter; needs no model. It measures coverage of words, not entailment: a claim
that turns a sentence round with the same words still scores high. Rejected: Jaccard of claim and document,
which falls with the length of the document and never comes near 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ...messages.claims import PassageDocument
from ..cns.sentences import split_sentences
from ..cns.text import STOP_WORDS, known_tokens, normalise

__all__ = ["LexicalEntailment"]


class _Words(NamedTuple):
    sentences: tuple[frozenset[str], ...]
    frequency: Counter[str]


class LexicalEntailment:
    """Implements ``Entailment``.

    Let T be the distinct tokens of the claim that are not stop words, and idf(t) = ln(1 + N / (df(t) + ½))
    over the N sentences of the document. As many sentences as the claim has are chosen, each time the one
    that covers most of the idf mass of T still uncovered. The score is the covered share of that mass.
    1 for a claim whose every content word stands in the chosen sentences, 0 for one without content words.
    """

    method = "lexical: idf-weighted coverage by as many document sentences as the claim has"

    def support(self, claim: str, document: PassageDocument) -> float:
        """In [0, 1]. The title counts as a sentence."""
        missing = {token for token in known_tokens(claim) if token not in STOP_WORDS}
        if not missing:
            return 0.0
        if normalise(claim) in _normal(document):  # what the rule below comes to, without counting words
            return 1.0
        words = _words(document)
        if not words.sentences:
            return 0.0
        count = len(words.sentences)
        idf = {token: math.log(1.0 + count / (words.frequency[token] + 0.5)) for token in missing}

        def mass(some: Iterable[str]) -> float:
            return math.fsum(idf[token] for token in some)

        total = mass(missing)
        for _ in split_sentences(claim):
            best = max((sentence & missing for sentence in words.sentences), key=mass)
            missing -= best
        return max(0.0, 1.0 - mass(missing) / total)


@lru_cache(maxsize=64)
def _words(document: PassageDocument) -> _Words:
    texts = (*((document.title,) if document.title else ()), *document.sentences)
    sentences = tuple(frozenset(known_tokens(text)) - STOP_WORDS for text in texts)
    return _Words(sentences, Counter(token for sentence in sentences for token in sentence))


@lru_cache(maxsize=64)
def _normal(document: PassageDocument) -> frozenset[str]:
    return frozenset(normalise(sentence) for sentence in document.sentences)
