"""TF-IDF: texts as weighted bags of words, without a model.

The default of the claim metrics. The weight of a word that stands f times in a text is (1 + ln f) · idf
(Salton & Buckley 1988, sublinear term frequency) with idf = ln((1 + N) / (1 + df)) + 1 over the N sentences
it was fitted on, the smoothed idf of scikit-learn, which it equals: as if one more sentence held every word.
Vectors have length 1. Stop words are left out, negations are not; see ``cns.text``.

What it is fitted on is the data set (``fit_tfidf``): the distinct sentences of the passages and the claims of
the references, never an answer. So a weight does not depend on the order of rows, on batches, or on what any
system said. A word of an answer that no sentence has, has df = 0 and the greatest weight; scikit-learn drops
it. Without a fit N is 0 and all words weigh the same; the method says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...messages.records import Example
from ..cns.parser import parse_claims
from ..cns.passage import parse_passage
from ..cns.sentences import split_sentences
from ..cns.text import STOP_WORDS, content_tokens, known_tokens

__all__ = ["TfIdf", "fit_tfidf", "sentences_of"]

KEPT = 1_024


class TfIdf:
    """Implements ``Embedder``, with a basis of its own in each call: the words of its texts.

    Cosines within a call are exact; points of two calls must not be compared. ``lsa`` has points that may.
    """

    def __init__(self, frequency: Mapping[str, int] | None = None, sentences: int = 0) -> None:
        self._frequency = dict(frequency or {})
        self._sentences = sentences
        self._idf = {word: self._rarity(count) for word, count in self._frequency.items()}
        self._unseen = self._rarity(0)
        self._weights = lru_cache(maxsize=KEPT)(self._compute)

    def __reduce__(self) -> tuple[type[TfIdf], tuple[dict[str, int], int]]:
        return TfIdf, (self._frequency, self._sentences)

    @property
    def method(self) -> str:
        """How words are weighed, and by how many sentences."""
        idf = f"smoothed idf of {self._sentences} sentences of the data" if self._sentences else "no idf"
        return f"tfidf: sublinear tf, {idf}"

    def idf(self, word: str) -> float:
        """ln((1 + N) / (1 + df)) + 1."""
        return self._idf.get(word, self._unseen)

    def _rarity(self, count: int) -> float:
        return math.log((1 + self._sentences) / (1 + count)) + 1.0

    def weights(self, text: str) -> Mapping[str, float]:
        """The words of a text with their weights; the sum of their squares is 1, or there is none."""
        return self._weights(text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, distinct words of them, at least 1); a text of stop words is the zero vector."""
        weighed = [self._weights(text) for text in texts]
        basis: dict[str, int] = {}
        for words in weighed:
            for word in words:
                basis.setdefault(word, len(basis))
        points = np.zeros((len(texts), max(1, len(basis))))
        for row, words in enumerate(weighed):
            points[row, [basis[word] for word in words]] = list(words.values())
        return points

    def _compute(self, text: str) -> dict[str, float]:
        raw: dict[str, float] = {}
        for word, count in Counter(known_tokens(text)).items():
            if word not in STOP_WORDS:
                raw[word] = self.idf(word) * (1.0 if count == 1 else 1.0 + math.log(count))
        length = math.sqrt(math.fsum([weight * weight for weight in raw.values()]))
        return {word: weight / length for word, weight in raw.items()}


def fit_tfidf(examples: Sequence[Example]) -> TfIdf:
    """Document frequencies over the distinct sentences of a data set."""
    sentences = sentences_of(examples)
    frequency: Counter[str] = Counter()
    for text in sentences:
        frequency.update(set(content_tokens(text)))
    return TfIdf(frequency, len(sentences))


def sentences_of(examples: Iterable[Example]) -> set[str]:
    """Sentences and titles of passages (else of inputs) and claims of references (else their sentences)."""
    found: set[str] = set()
    for example in examples:
        documents = parse_passage(example.input)
        for document in documents:
            found.update(document.sentences)
            found.add(document.title)
        if not documents:
            found.update(split_sentences(example.input))
        claims = parse_claims(example.reference or "").claims
        found.update(claim.text for claim in claims)
        if not claims:
            found.update(split_sentences(example.reference or ""))
    found.discard("")
    return found
