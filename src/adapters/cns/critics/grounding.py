"""Is there evidence, is it sound, is it about the claim, and does it come from more than one place?"""

from __future__ import annotations

from ....messages.claims import CriticReport, Sno
from .parts import report, unread
from .profiles import LEXICAL, Profile

__all__ = ["grounding"]

CRITIC = "grounding"
TOO_MANY = 10
LOW_VALIDITY, BROKEN_VALIDITY, LOW_RELEVANCE, LOW_DIVERSITY = 0.5, 0.3, 0.3, 0.5


def grounding(sno: Sno, profile: Profile = LEXICAL) -> CriticReport:
    """.30 coverage + .30 validity + .25 relevance + .15 diversity; 0 without evidence.

    Coverage is by number (1 item .5, 2 to 10 items 1, more .8), validity the mean of the items', relevance
    the mean support of the claim by their contents, diversity the share of different sources.
    """
    blank = unread(CRITIC, profile.name, sno)
    if blank is not None:
        return blank
    items = sno.evidence
    if not items:
        parts = dict.fromkeys(("coverage", "validity", "relevance", "diversity"), 0.0)
        return _report(profile, parts, ["no evidence"], 0)
    found = {
        "coverage": 0.5 if len(items) == 1 else 1.0 if len(items) <= TOO_MANY else 0.8,
        "validity": sum(item.validity for item in items) / len(items),
        "relevance": sum(profile.support(sno.claim, item.content) for item in items) / len(items),
        "diversity": len({item.source for item in items}) / len(items),
    }
    issues = []
    if found["validity"] < LOW_VALIDITY:
        issues.append(f"the evidence is weak: mean validity {found['validity']:.2f}")
    elif any(item.validity < BROKEN_VALIDITY for item in items):
        issues.append(f"a piece of evidence has a validity below {BROKEN_VALIDITY}")
    if found["relevance"] < LOW_RELEVANCE:
        issues.append(f"the evidence says little about the claim: mean relevance {found['relevance']:.2f}")
    if found["diversity"] < LOW_DIVERSITY:
        issues.append(f"most evidence is from the same source: {found['diversity']:.2f} different")
    return _report(profile, found, issues, len(items))


def _report(profile: Profile, found: dict[str, float], issues: list[str], count: int) -> CriticReport:
    weights = {"coverage": 0.30, "validity": 0.30, "relevance": 0.25, "diversity": 0.15}
    parts = {name: (weight, found[name]) for name, weight in weights.items()}
    return report(CRITIC, profile.name, parts, issues, evidence=count)
