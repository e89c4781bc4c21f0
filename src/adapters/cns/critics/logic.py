"""Does the argument run in a circle, contradict itself, or stand on nothing?

Where the reference looks for an evidence id inside another evidence's source, we look at the relations;
where it takes any *is* and *is not* for a contradiction, we ask the profile whether two statements exclude
each other. Statements between which the object itself states a refutation are not held against it: an
argument may name its counter-evidence.
"""

from __future__ import annotations

from itertools import combinations, islice

from ....messages.claims import CriticReport, Sno
from ..graph import claims_on_cycles
from ..sno import depth, walk
from .parts import report, unread, words
from .profiles import LEXICAL, Profile

__all__ = ["logic"]

CRITIC = "logic"
COMPARED = 30
"""Statements that are compared with each other: pairs are quadratic. ``details.compared`` has the
number."""
CONTRADICTS = 0.5
FEW_WORDS, MANY_WORDS, MUCH_EVIDENCE, DEEP = 3, 100, 10, 5


def logic(sno: Sno, profile: Profile = LEXICAL) -> CriticReport:
    """.30 cycle + .30 contradiction + .20 entailment + .20 structure.

    Cycle is 1 − 0.2 for each statement on a circle of relations, contradiction 1 − 0.3 for each
    contradicting pair, both at least 0; entailment .6 mean validity + .4 mean support, .5 without evidence;
    structure 1 less a deduction each for a claim too short or long, no or too much evidence, and nesting
    below level 5.
    """
    blank = unread(CRITIC, profile.name, sno)
    if blank is not None:
        return blank
    issues = []
    circle = _on_cycles(sno)
    if circle:
        issues.append(f"{circle} statements argue in a circle")
    pairs, compared = _contradictions(sno, profile)
    issues += [f"{left} and {right} contradict each other" for left, right in pairs]
    entailed = _entailment(sno, profile)
    if entailed < 0.5:
        issues.append(f"the evidence hardly bears out the claim: {entailed:.2f}")
    parts = {
        "cycle": (0.30, max(0.0, 1.0 - 0.2 * circle)),
        "contradiction": (0.30, max(0.0, 1.0 - 0.3 * len(pairs))),
        "entailment": (0.20, entailed),
        "structure": (0.20, _structure(sno)),
    }
    return report(CRITIC, profile.name, parts, issues, compared=compared)


def _on_cycles(sno: Sno) -> int:
    place = {node.id: number for number, (node, _) in enumerate(walk(sno))}
    edges = [
        (place[r.source], place[r.target])
        for node, _ in walk(sno)
        for r in node.relations
        if r.source in place and r.target in place
    ]
    return claims_on_cycles(len(place), edges) if edges else 0


def _contradictions(sno: Sno, profile: Profile) -> tuple[list[tuple[str, str]], int]:
    nodes = [node for node, _ in islice(walk(sno), COMPARED)]
    relations = [r for node, _ in walk(sno) for r in node.relations]
    stated = {frozenset((r.source, r.target)) for r in relations if r.label == "refutes"}
    found = [
        (left.id, right.id)
        for left, right in combinations(nodes, 2)
        if frozenset((left.id, right.id)) not in stated
        and profile.contradiction(left.claim, right.claim) >= CONTRADICTS
    ]
    return found, len(nodes)


def _entailment(sno: Sno, profile: Profile) -> float:
    if not sno.evidence:
        return 0.5
    valid = sum(item.validity for item in sno.evidence)
    support = sum(profile.support(sno.claim, item.content) for item in sno.evidence)
    return (0.6 * valid + 0.4 * support) / len(sno.evidence)


def _structure(sno: Sno) -> float:
    length, count = len(words(sno.claim)), len(sno.evidence)
    deducted = 0.2 if length < FEW_WORDS else 0.1 if length > MANY_WORDS else 0.0
    deducted += 0.3 if count == 0 else 0.1 if count > MUCH_EVIDENCE else 0.0
    return 1.0 - deducted - (0.2 if depth(sno) > DEEP else 0.0)
