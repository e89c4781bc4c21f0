"""Chirality: how far the two sides of an answer stand apart.

The formula is the one of the CNS literature. There the distance is a diagonal Mahalanobis distance with
variances from a sample of embeddings (``mahalanobis.py``); in hundreds of dimensions it is so large that
d / (d + 1) is 0.95 for any two texts. The metrics measure unit vectors with unit variances, so that d is in
[0, 2] and still tells texts apart; or, without any embedding, the words that both sides share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...messages.claims import Claim, ClaimDocument, Sno
from .scores import Score, jaccard
from .sno import entanglement
from .text import token_f1

__all__ = [
    "LEXICAL_DISTANCE",
    "chirality",
    "chirality_score",
    "diagonal_mahalanobis",
    "lexical_distance",
    "productive_conflict",
]

Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to unit vectors, shape (texts, dimensions)."""

DISTANCE, NO_OVERLAP, CONFLICT = 0.6, 0.2, 0.25


def chirality_score(distance: float, overlap: float, *, conflict: bool) -> float:
    """min(1, 0.6·d/(d + 1) + 0.2·(1 − overlap) + 0.25·[conflict]), overlap clamped to [0, 1]."""
    apart = DISTANCE * distance / (distance + 1.0)
    unshared = NO_OVERLAP * (1.0 - min(1.0, max(0.0, overlap)))
    return min(1.0, apart + unshared + (CONFLICT if conflict else 0.0))


def diagonal_mahalanobis(
    left: NDArray[np.float64], right: NDArray[np.float64], inverse_variance: NDArray[np.float64] | float = 1.0
) -> float:
    """sqrt(Σ_j (a_j − b_j)² / var_j) of two vectors of shape (d,)."""
    difference = left - right
    return math.sqrt(float((inverse_variance * difference) @ difference))


LEXICAL_DISTANCE = "sqrt(2 - 2 token F1)"
"""The method of ``lexical_distance``, for the results."""


def lexical_distance(left: Sequence[str], right: Sequence[str]) -> float:
    """√(2 − 2·F1) of the bags of words of two sides, in [0, √2]: what unit vectors of that cosine have."""
    return math.sqrt(max(0.0, 2.0 - 2.0 * token_f1(" ".join(left), " ".join(right))))


def productive_conflict(left: Sno, right: Sno, contradiction: Callable[[str, str], float]) -> Score:
    """P(the claims exclude each other) · entanglement: high where the same evidence is read in two ways.

    The conflict score of CNS 3.1 for one pair of objects; ``contradiction`` is that of a critics' profile.
    None when neither object has evidence.
    """
    shared = entanglement(left, right)
    return None if shared is None else contradiction(left.claim, right.claim) * shared


def chirality(document: ClaimDocument, embed: Embed | None, *, conflict: bool) -> Score:
    """Chirality between what supports c1 and what refutes it; None when nothing refutes c1.

    Each side is the mean of its claims' unit vectors, brought to length 1; without ``embed`` the distance is
    ``lexical_distance``. Where no claim supports c1, c1 itself is the supporting side. Overlap is the Jaccard
    index of the documents the two sides cite; it is 0 when a side cites none. ``conflict`` says whether c1 is
    both supported and refuted.
    """
    known = {claim.id: claim for claim in document.claims}
    against = _side(document, known, "refutes")
    if not against or "c1" not in known:
        return None
    sides = (_side(document, known, "supports") or [known["c1"]], against)
    texts = [[claim.text for claim in side] for side in sides]
    distance = lexical_distance(*texts) if embed is None else _embedded(embed, *texts)
    cited = [[claim.document_id for claim in side if claim.document_id] for side in sides]
    overlap = jaccard(*cited) if all(cited) else 0.0
    return chirality_score(distance, overlap, conflict=conflict)


def _embedded(embed: Embed, left: Sequence[str], right: Sequence[str]) -> float:
    points = embed([*left, *right])
    return diagonal_mahalanobis(_centre(points[: len(left)]), _centre(points[len(left) :]))


def _side(document: ClaimDocument, known: dict[str, Claim], label: str) -> list[Claim]:
    ids = dict.fromkeys(
        relation.source
        for relation in document.relations
        if relation.label == label and relation.target == "c1" and relation.source != "c1"
    )
    return [known[identifier] for identifier in ids if identifier in known]


def _centre(points: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(points) == 1:
        alone: NDArray[np.float64] = points[0]
        return alone
    total: NDArray[np.float64] = points.sum(axis=0)
    length = math.sqrt(float(total @ total))
    return total / length if length else total
