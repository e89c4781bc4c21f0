"""Scores that need nothing but the output and its reference, so that ``bench`` always has data.

Exact match and token F1 after lower-casing and collapsing white space, as in SQuAD (Rajpurkar et al. 2016)
but without removing articles and punctuation, which matter in claims.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["METHOD", "reference_scores"]

METHOD = "token"


def reference_scores(text: str, reference: str | None) -> dict[str, float | None]:
    """``exact_match`` and ``token_f1`` in [0, 1]; both None without a reference."""
    if reference is None:
        return {"exact_match": None, "token_f1": None}
    mine, gold = text.lower().split(), reference.lower().split()
    if not mine or not gold:
        both_empty = float(mine == gold)
        return {"exact_match": both_empty, "token_f1": both_empty}
    shared = sum((Counter(mine) & Counter(gold)).values())
    return {"exact_match": float(mine == gold), "token_f1": 2 * shared / (len(mine) + len(gold))}
