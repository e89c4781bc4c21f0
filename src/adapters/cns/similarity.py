"""How close the words of an answer are to those of the reference."""

from __future__ import annotations

from collections.abc import Sequence

from ...messages.claims import ClaimDocument
from .scores import Score, Scores
from .text import token_f1

__all__ = ["SIMILARITY_METHOD", "similarity_scores"]

SIMILARITY_METHOD = "lexical token F1"


def similarity_scores(output: ClaimDocument, reference: ClaimDocument | None) -> Scores:
    """Token F1 between c1 and c1, and between all claims.

    ``mean_similarity`` aligns greedily in both directions as BERTScore does with tokens (Zhang et al. 2020):
    P is the mean over the answer's claims of the best F1 with a reference claim, R the mean over the
    reference's claims, and the score is their harmonic mean. None without a reference claim to compare
    with; 0 when the answer lacks the claim.
    """
    if reference is None:
        return {"c1_similarity": None, "mean_similarity": None}
    return {
        "c1_similarity": _c1(output, reference),
        "mean_similarity": _greedy(_all(output), _all(reference)),
    }


def _c1(output: ClaimDocument, reference: ClaimDocument) -> Score:
    wanted = next((claim.text for claim in reference.claims if claim.id == "c1"), None)
    given = next((claim.text for claim in output.claims if claim.id == "c1"), "")
    return None if wanted is None else _pair(given, wanted)


def _all(document: ClaimDocument) -> list[str]:
    return [claim.text for claim in document.claims]


def _greedy(given: Sequence[str], wanted: Sequence[str]) -> Score:
    if not wanted:
        return None
    if not given:
        return 0.0
    table = [[_pair(left, right) for right in wanted] for left in given]
    precision = sum(map(max, table)) / len(given)
    recall = sum(map(max, zip(*table, strict=True))) / len(wanted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _pair(left: str, right: str) -> float:
    return 1.0 if left == right else token_f1(left, right)
