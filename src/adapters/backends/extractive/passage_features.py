"""Features of a sentence within its passage: what it says, how central it is, where it stands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ....messages.claims import PassageDocument
from .cues import SECTIONS, Cues, section_of
from .matrix import Floats
from .reading import Text

__all__ = ["CONTENT", "POSITION", "centrality", "containment", "content", "position", "rank", "sections"]

CONTENT = (
    *("bias", "length", "short", "long", "numbers", *Cues._fields, *SECTIONS, "unstructured"),
    *("title_overlap", "centrality", "centrality_rank", "most_central", "sentence_count", "documents"),
)
POSITION = (
    *("first", "second", "third", "last", "next_to_last", "relative", "relative_squared"),
    *("near_start", "near_end", "fifth_1", "fifth_2", "fifth_3", "fifth_4", "fifth_5"),
)
_SHORT, _LONG = 8, 40


def centrality(texts: Sequence[Text], others: Sequence[Text]) -> Floats:
    """Mean TF-IDF cosine of each text, then of each of the ``others``, to the (other) texts.

    Shape (texts + others,). Degree centrality of the sentence graph (Erkan and Radev 2004); IDF is
    log(1 + n / df) over the n texts. Linear in the words: the mean cosine is one product with the sum of all
    unit vectors. Their random walk, LexRank, needs all pairs.
    """
    n = len(texts)
    frequency = Counter(word for text in texts for word in text.content)
    idf = {word: math.log(1 + n / count) for word, count in frequency.items()}
    vectors = [_unit(text, idf) for text in (*texts, *others)]
    total = dict.fromkeys(frequency, 0.0)
    for vector in vectors[:n]:
        for word, value in vector.items():
            total[word] += value
    sums = np.array([math.fsum(value * total[word] for word, value in one.items()) for one in vectors])
    sums[:n] -= [bool(vector) for vector in vectors[:n]]
    counts = np.full(len(vectors), n)
    counts[:n] = max(n - 1, 1)
    return np.asarray(np.round(sums / counts, 12), dtype=np.float64)


def _unit(text: Text, idf: dict[str, float]) -> dict[str, float]:
    known = {word: idf[word] for word in text.content if word in idf}
    norm = math.sqrt(math.fsum(value * value for value in known.values()))
    return {word: value / norm for word, value in known.items()}


def sections(documents: Sequence[PassageDocument]) -> list[int | None]:
    """Section of each sentence of the passage."""
    found: list[int | None] = []
    for document in documents:
        section: int | None = None
        for sentence in document.sentences:
            section = section_of(sentence, section)
            found.append(section)
    return found


def content(
    documents: Sequence[PassageDocument],
    parts: Sequence[int | None],
    texts: Sequence[Text],
    titles: Sequence[Text],
    central: Floats,
) -> Floats:
    """Shape (sentences, CONTENT)."""
    owner = [title for document, title in zip(documents, titles, strict=True) for _ in document.sentences]
    ranks, best = rank(central), float(central.max())
    shared = (math.log(len(texts)) / 4, math.log(len(documents)))
    out = []
    for text, title, part, value, order in zip(texts, owner, parts, central, ranks, strict=True):
        length = len(text.words)
        lengths = (math.log1p(length) / 4, float(length < _SHORT), float(length > _LONG))
        places = (*(float(part == section) for section in range(len(SECTIONS))), float(part is None))
        graph = (2 * float(value), float(order), float(value >= best))
        overlap = containment(title.stems, text.stems)
        out.append(
            (1.0, *lengths, min(len(text.numbers), 5) / 5, *text.cues, *places, overlap, *graph, *shared)
        )
    return np.array(out)


def position(documents: Sequence[PassageDocument]) -> Floats:
    """Place of each sentence in its document; shape (sentences, POSITION)."""
    out = []
    for document in documents:
        n = len(document.sentences)
        for i in range(n):
            last = n - 1 - i
            relative = i / (n - 1) if n > 1 else 0.0
            edges = (float(i == 0), float(i == 1), float(i == 2), float(last == 0), float(last == 1))
            slopes = (relative, relative**2, 1 / (1 + i), 1 / (1 + last))
            fifth = min(int(5 * relative), 4)
            out.append((*edges, *slopes, *(float(fifth == bucket) for bucket in range(5))))
    return np.array(out)


def containment(part: frozenset[str], whole: frozenset[str]) -> float:
    """Share of ``part`` that is in ``whole``; 0 when ``part`` is empty."""
    return len(part & whole) / len(part) if part else 0.0


def rank(values: Floats) -> Floats:
    """1 for the highest, 0 for the lowest; equals share the better rank."""
    if len(values) == 1:
        return np.ones(1)
    higher = len(values) - np.searchsorted(np.sort(values), values, side="right")
    return np.asarray(1 - higher / (len(values) - 1), dtype=np.float64)
