"""Turns a prompt into numbers: one row of features for each sentence of its passage.

Three feature sets: "is this sentence evidence?" (SELECTION), "does it support or refute?" (RELATION) and, for
prompts that state a claim, "is there any evidence at all?" (PRESENCE). Stateless: the same prompt and options
always give the same numbers, whatever was read before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....messages.claims import PassageDocument
from ...cns import parse_passage, stated_claim
from .claim_features import OVERLAP, PRESENCE, RELATION, direction, overlap, presence
from .matrix import Matrix, dense_only, with_words
from .options import ExtractiveOptions
from .passage_features import CONTENT, POSITION, centrality, content, position, sections
from .reading import read

__all__ = ["PRESENCE", "RELATION", "SELECTION", "Features", "Sentence", "featurise"]

SELECTION = (*CONTENT, *POSITION, *OVERLAP)
"""Names of the dense features for choosing evidence."""


class Sentence(NamedTuple):
    """A sentence and the document it stands in."""

    document_id: str
    text: str


class Features(NamedTuple):
    """A prompt, read: sentences in order, their features, and what the passage is about."""

    sentences: tuple[Sentence, ...]
    documents: tuple[PassageDocument, ...]
    claim: str | None
    hypothesis: str
    """The stated claim, else the title or sentence that is most central."""
    selection: Matrix
    relation: Matrix
    presence: Matrix
    """One row for the passage as a whole."""


def featurise(prompt: str, options: ExtractiveOptions) -> Features | None:
    """Features of all sentences of the passage; None when the prompt has no passage."""
    documents = parse_passage(prompt)
    sentences = tuple(Sentence(document.id, text) for document in documents for text in document.sentences)
    if not sentences:
        return None
    claim = stated_claim(prompt)
    known = read(claim, grams=True) if claim is not None and options.use_claim else None
    texts = [read(sentence.text, grams=known is not None) for sentence in sentences]
    titles = [read(document.title, grams=False) for document in documents]
    central = centrality(texts, titles)
    candidates = [sentence.text for sentence in sentences] + [document.title for document in documents]
    parts = sections(documents)
    shared = overlap(known, texts)
    chosen = [content(documents, parts, texts, titles, central[: len(texts)])]
    chosen.append(position(documents) if options.use_position else np.zeros((len(texts), len(POSITION))))
    selection = np.hstack((*chosen, shared))
    relation = direction(known, texts, parts, shared)
    words = [text.words for text in texts]
    return Features(
        sentences=sentences,
        documents=documents,
        claim=claim,
        hypothesis=claim or candidates[int(np.argmax(central))],
        selection=with_words(selection, words, None, options.dimension)
        if options.use_words
        else dense_only(selection),
        relation=with_words(relation, words, known.words if known else None, options.dimension)
        if options.use_words
        else dense_only(relation),
        presence=dense_only(presence(shared)),
    )
