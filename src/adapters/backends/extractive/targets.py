"""What a reference says about the sentences of its passage: which are evidence, and for or against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....messages.claims import PassageDocument
from ...cns import match_sentence, parse_claims

__all__ = ["Targets", "read_targets"]


class Targets(NamedTuple):
    """Labels by sentence, in passage order."""

    evidence: npt.NDArray[np.float64]
    """1 where the sentence is evidence, shape (sentences,)."""
    supports: dict[int, bool]
    """Sentence to direction, for evidence whose relation is stated."""


def read_targets(reference: str, documents: Sequence[PassageDocument]) -> Targets:
    """Find the evidence of a reference in the passage.

    Every claim but c1 is evidence; the first relation that starts from it says its direction. Evidence that
    is not in the passage (``match_sentence`` finds nothing) has no sentence and is left out.
    """
    parsed = parse_claims(reference)
    direction: dict[str, bool] = {}
    for relation in parsed.relations:
        direction.setdefault(relation.source, relation.label == "supports")
    evidence = np.zeros(sum(len(document.sentences) for document in documents))
    supports: dict[int, bool] = {}
    for claim in parsed.claims:
        if claim.id == "c1":
            continue
        for sentence in _places(claim.text, claim.document_id, documents):
            evidence[sentence] = 1.0
            if claim.id in direction:
                supports.setdefault(sentence, direction[claim.id])
    return Targets(evidence, supports)


def _places(text: str, document_id: str | None, documents: Sequence[PassageDocument]) -> list[int]:
    found: list[int] = []
    offset = 0
    for document in documents:
        if document_id is None or document.id == document_id:
            found += [offset + place for place in match_sentence(text, document.sentences)]
        offset += len(document.sentences)
    return found
