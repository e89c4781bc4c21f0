"""Is the claim worded to persuade? Word lists only; no model stands behind it in any profile."""

from __future__ import annotations

from ....messages.claims import CriticReport, Sno
from ..text import normalise, word_set
from .parts import report, unread, words
from .profiles import Profile

__all__ = ["bias"]

CRITIC = "bias"
METHOD = "lexical"

NEGATIVE = word_set(
    "terrible horrible awful disastrous catastrophic shocking alarming dangerous useless worthless worst "
    "evil corrupt disgraceful dreadful appalling failed failure harmful toxic absurd ridiculous"
)
POSITIVE = word_set(
    "amazing wonderful excellent perfect brilliant revolutionary groundbreaking remarkable outstanding best "
    "superb incredible fantastic miraculous ideal flawless extraordinary unprecedented breakthrough great"
)
ABSOLUTE = word_set("always never everyone nobody nothing everything only must")
PRESUMPTIVE = word_set(
    "obviously clearly certainly undoubtedly undeniably surely naturally evidently unquestionably plainly"
)
BALANCING = word_set("however although though whereas while but nevertheless nonetheless yet despite")
_BALANCING_PHRASES = ("on the other hand", "in contrast", "by contrast")
ONE_SIDED, LONG = 0.7, 20


def bias(sno: Sno, _profile: Profile | None = None) -> CriticReport:
    """.25 loaded + .25 framing + .20 absolutist + .15 diversity + .15 balance.

    Loaded is 1 − 0.2 for each of four lists that is used; framing is .8 without words of praise or blame, 1
    − ratio where |praise − blame| / (praise + blame) is above 0.7, else 1; absolutist 1 − min(.6, .15 ·
    hits); diversity the share of different sources (.5 without evidence); balance 1 with a balancing word,
    else .6 above 20 words and .8 below. Higher is less biased.
    """
    blank = unread(CRITIC, METHOD, sno)
    if blank is not None:
        return blank
    said = words(sno.claim)
    lists = {"negative": NEGATIVE, "positive": POSITIVE, "absolutist": ABSOLUTE, "presumptive": PRESUMPTIVE}
    hits = {name: [word for word in said if word in known] for name, known in lists.items()}
    loaded = {name: found for name, found in hits.items() if found}
    issues = [f"{name} wording: {', '.join(dict.fromkeys(found))}" for name, found in loaded.items()]
    framing = _framing(len(hits["positive"]), len(hits["negative"]))
    if framing < 1.0 - ONE_SIDED:
        issues.append("praise and blame are one-sided")
    sources = {item.source for item in sno.evidence}
    parts = {
        "loaded": (0.25, 1.0 - 0.2 * len(loaded)),
        "framing": (0.25, framing),
        "absolutist": (0.20, 1.0 - min(0.6, 0.15 * len(hits["absolutist"]))),
        "diversity": (0.15, len(sources) / len(sno.evidence) if sno.evidence else 0.5),
        "balance": (0.15, _balance(sno.claim, said)),
    }
    return report(CRITIC, METHOD, parts, issues)


def _framing(praise: int, blame: int) -> float:
    if not praise + blame:
        return 0.8
    ratio = abs(praise - blame) / (praise + blame)
    return 1.0 - ratio if ratio > ONE_SIDED else 1.0


def _balance(claim: str, said: tuple[str, ...]) -> float:
    if not BALANCING.isdisjoint(said) or any(phrase in normalise(claim) for phrase in _BALANCING_PHRASES):
        return 1.0
    return 0.6 if len(said) > LONG else 0.8
