"""Features of a sentence against the claim that the prompt states; all 0 where it states none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .cues import SECTIONS, Cues
from .matrix import Floats
from .passage_features import containment, rank
from .reading import Text

__all__ = ["OVERLAP", "PRESENCE", "RELATION", "direction", "overlap", "presence"]

OVERLAP = (
    *("claim", "claim_contained", "claim_f1", "claim_bigrams", "claim_numbers"),
    *("claim_negation_mismatch", "claim_stems", "claim_stems_excess", "claim_stems_rank", "claim_best"),
    *("claim_grams", "claim_grams_excess", "claim_grams_rank"),
)
_CONTRAST = (
    *("claim_negation", "claim_up", "claim_down", "negation_mismatch", "negation_both"),
    *("same_direction", "opposite_direction", "opposite_and_mismatch", "numbers_differ"),
)
RELATION = ("bias", *Cues._fields, *SECTIONS, "claim", "claim_stems", "claim_numbers", *_CONTRAST)
PRESENCE = (
    *("bias", "best_stems", "mean_stems", "best_grams", "best_bigrams", "best_numbers"),
    *("sentence_count",),
)


def overlap(claim: Text | None, texts: Sequence[Text]) -> Floats:
    """What claim and sentence share; shape (sentences, OVERLAP)."""
    if claim is None:
        return np.zeros((len(texts), len(OVERLAP)))
    pairs = np.array([_pair(claim, text) for text in texts])
    stems = _weighted(claim.stems, [text.stems for text in texts])
    grams = _weighted(claim.grams, [text.grams for text in texts])
    best = stems >= max(float(stems.max()), 1e-12)
    within = (stems, 2 * (stems - stems.mean()), rank(stems), best.astype(np.float64))
    return np.column_stack((pairs, *within, grams, 2 * (grams - grams.mean()), rank(grams)))


def _pair(claim: Text, text: Text) -> tuple[float, ...]:
    common = len(claim.content & text.content)
    return (
        1.0,
        containment(claim.content, text.content),
        2 * common / max(len(claim.content) + len(text.content), 1),
        len(claim.bigrams & text.bigrams) / max(len(claim.bigrams), 1),
        containment(claim.numbers, text.numbers),
        float(claim.cues.negation != text.cues.negation),
    )


def _weighted(wanted: frozenset[str], held: Sequence[frozenset[str]]) -> Floats:
    """IDF-weighted share of ``wanted`` in each set; IDF is log(1 + n / (1 + df)) over these n sets."""
    frequency = Counter(_flatten(one & wanted for one in held))
    idf = {name: math.log(1 + len(held) / (1 + frequency[name])) for name in sorted(wanted)}
    total = sum(idf.values()) or 1.0
    return np.array([math.fsum(idf[name] for name in wanted & one) / total for one in held])


def _flatten(groups: Iterable[frozenset[str]]) -> Iterable[str]:
    return (name for group in groups for name in group)


def direction(
    claim: Text | None, texts: Sequence[Text], parts: Sequence[int | None], shared: Floats
) -> Floats:
    """Cues of each sentence and how they contrast with the claim's; shape (sentences, RELATION)."""
    stems, agreeing = OVERLAP.index("claim_stems"), OVERLAP.index("claim_numbers")
    none = (0.0,) * len(_CONTRAST)
    out = []
    for text, part, row in zip(texts, parts, shared, strict=True):
        own = (1.0, *text.cues, *(float(part == section) for section in range(len(SECTIONS))))
        contrast = none if claim is None else _contrast(claim, text)
        out.append((*own, float(claim is not None), float(row[stems]), float(row[agreeing]), *contrast))
    return np.array(out)


def _contrast(claim: Text, text: Text) -> tuple[float, ...]:
    ours, theirs = claim.cues, text.cues
    mismatch = float(ours.negation != theirs.negation)
    leaning = _sign(ours.up - ours.down) * _sign(theirs.up - theirs.down)
    return (
        *(ours.negation, ours.up, ours.down, mismatch, ours.negation * theirs.negation),
        *(float(leaning > 0), float(leaning < 0), float(leaning < 0) * mismatch),
        float(bool(claim.numbers) and bool(text.numbers) and claim.numbers.isdisjoint(text.numbers)),
    )


def presence(shared: Floats) -> Floats:
    """The best of the passage against the claim; shape (1, PRESENCE)."""
    best = dict(zip(OVERLAP, shared.max(axis=0).tolist(), strict=True))
    mean = float(shared[:, OVERLAP.index("claim_stems")].mean())
    row = (
        *(1.0, best["claim_stems"], mean, best["claim_grams"], best["claim_bigrams"]),
        *(best["claim_numbers"], math.log(len(shared)) / 4),
    )
    return np.array([row])


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
