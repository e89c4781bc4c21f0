"""Does the claim say something of its own, densely and briefly?"""

from __future__ import annotations

from ....messages.claims import CriticReport, Sno
from ..sno import depth
from ..text import STOP_WORDS, normalise, word_set
from .parts import report, unread, words
from .profiles import LEXICAL, Profile

__all__ = ["novelty"]

CRITIC = "novelty"
COPIED = 0.7
FEW_WORDS, SPARSE = 5, 0.3
_TRIVIAL = word_set("yes no true false maybe unknown perhaps")
_TRIVIAL_STARTS = (
    "it depends",
    "this is good",
    "this is bad",
    "this is true",
    "this is false",
    "this is right",
)


def novelty(sno: Sno, profile: Profile = LEXICAL) -> CriticReport:
    """.35 originality + .25 density + .20 parsimony + .20 nontrivial.

    With m the greatest similarity to a piece of evidence, originality is 1 − m above 0.7 (a copy), else
    min(1, 1.3 − m), and 0.8 without evidence. Density is the share of words that are no stop words, 0.3 for a
    claim of fewer than five words.
    """
    blank = unread(CRITIC, profile.name, sno)
    if blank is not None:
        return blank
    said = words(sno.claim)
    issues = []
    near = max((profile.similarity(sno.claim, item.content) for item in sno.evidence), default=None)
    original = 0.8 if near is None else 1.0 - near if near > COPIED else min(1.0, 1.3 - near)
    if near is not None and near > COPIED:
        issues.append(f"the claim repeats its evidence: similarity {near:.2f}")
    density = sum(word not in STOP_WORDS for word in said) / len(said) if len(said) >= FEW_WORDS else SPARSE
    if density < SPARSE:
        issues.append(f"few words carry meaning: {density:.2f}")
    trivial = _trivial(sno.claim)
    if trivial:
        issues.append("the claim says nothing")
    parts = {
        "originality": (0.35, original),
        "density": (0.25, density),
        "parsimony": (0.20, _parsimony(sno, len(said))),
        "nontrivial": (0.20, 0.0 if trivial else 1.0),
    }
    return report(CRITIC, profile.name, parts, issues)


def _parsimony(sno: Sno, length: int) -> float:
    deducted = 0.3 if length > 150 else 0.1 if length > 100 else 0.0
    return 1.0 - deducted - (0.2 if depth(sno) > 3 else 0.0)


def _trivial(claim: str) -> bool:
    text = normalise(claim).rstrip(".!? ")
    return text in _TRIVIAL or text.startswith(_TRIVIAL_STARTS)
