"""Does the claim state a cause where it has a correlation? Word lists only, in every profile."""

from __future__ import annotations

from ....messages.claims import CriticReport, Sno
from ..text import normalise, word_set
from .parts import report, unread, words
from .profiles import Profile

__all__ = ["causal"]

CRITIC = "causal"
METHOD = "lexical"

CAUSAL = word_set(
    "cause causes caused causing because therefore thus hence induces induce induced produces produced "
    "triggers triggered"
)
_CAUSAL_PHRASES = ("leads to", "lead to", "led to", "results in", "resulted in", "due to", "gives rise to")
CORRELATIONAL = word_set(
    "correlates correlate correlated correlation associated association associates linked link related "
    "relationship predicts coincides accompanies"
)
MECHANISM = word_set(
    "mechanism mechanisms via pathway pathways through by mediated mediates mediating binding binds "
    "signalling signaling activating inhibiting"
)
TEMPORAL = word_set(
    "before after then subsequently later earlier during following preceding precedes followed prior "
    "first when"
)
HEDGES = word_set(
    "may might could can possibly perhaps probably likely suggests suggest suggested appears appear seems "
    "seem potentially presumably"
)
SURE, UNSURE = 0.9, 0.5


def causal(sno: Sno, _profile: Profile | None = None) -> CriticReport:
    """.30 confusion + .25 mechanism + .20 temporal + .25 confidence.

    Confusion is .3 for words of cause and of correlation without a hedge, .7 for words of cause without
    one, else 1; mechanism and temporal are 1 for a causal claim that says how (when), .5 (.6) for one that
    does not, and .8 for any other; confidence is .5 for a causal claim held above 0.9, .7 below 0.5, else
    1.
    """
    blank = unread(CRITIC, METHOD, sno)
    if blank is not None:
        return blank
    said = frozenset(words(sno.claim))
    text = normalise(sno.claim)
    cause = not CAUSAL.isdisjoint(said) or any(phrase in text for phrase in _CAUSAL_PHRASES)
    correlation = not CORRELATIONAL.isdisjoint(said)
    hedged = not HEDGES.isdisjoint(said)
    issues = []
    confusion = 1.0
    if cause and not hedged:
        confusion = 0.3 if correlation else 0.7
        issues.append(
            "correlation is told as a cause" if correlation else "a cause is stated without a hedge"
        )
    if cause and MECHANISM.isdisjoint(said):
        issues.append("no mechanism is given")
    if cause and sno.confidence > SURE:
        issues.append(f"a causal claim is held with a confidence of {sno.confidence:.2f}")
    parts = {
        "confusion": (0.30, confusion),
        "mechanism": (0.25, _told(cause, MECHANISM, said, without=0.5)),
        "temporal": (0.20, _told(cause, TEMPORAL, said, without=0.6)),
        "confidence": (0.25, _confidence(cause, sno.confidence)),
    }
    kind = "causal" if cause else "correlational" if correlation else "descriptive"
    return report(CRITIC, METHOD, parts, issues, causal_type=kind)


def _told(cause: bool, known: frozenset[str], said: frozenset[str], *, without: float) -> float:  # noqa: FBT001
    if not cause:
        return 0.8
    return without if known.isdisjoint(said) else 1.0


def _confidence(cause: bool, confidence: float) -> float:  # noqa: FBT001
    if not cause:
        return 1.0
    return 0.5 if confidence > SURE else 0.7 if confidence < UNSURE else 1.0
