"""The antagonist by rules: challenges to a thesis, and the antithesis that the passage holds against it.

Called by ``arguments``. The rules and their figures are those of the CNS reference with its faults mended:
words are whole words (there *all* counts inside *small*), a contradiction within a claim is laid at that
claim's door (there at one called *internal*, so that it counts for nobody), the most weighty challenges are
kept rather than the first, and the passage itself is searched for what speaks against the thesis, which the
reference does not do. It sees wording, not meaning; every result says ``heuristic``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from ....messages.claims import (
    Challenge,
    ChallengeType,
    Evidence,
    PassageDocument,
    Provenance,
    Relation,
    Severity,
    Sno,
)
from ....messages.dialectic import HEURISTIC, Objections
from ..critics import LEXICAL
from ..measures import challenge_chirality, evidence_score
from ..opposition import contested
from ..sno import all_evidence, evidence_keys, global_id
from ..text import known_tokens, normalise, token_f1, word_set
from .stamps import MAX_PARTS, RAISED, challenge_key, stamped

__all__ = ["MAX_CHALLENGES", "antagonise", "challenges"]

Compare = Callable[[str, str], float]

MAX_CHALLENGES = 5
OPPOSES = 0.5
"""Least contradiction between the thesis and a sentence that is held against it. A lower bar finds more by
words alone, but as many that do not refute: answers got worse (``docs/dialectic.md``)."""
CONTESTED = 0.4
"""Least *contested* of two parts that read the same sentences by which they exclude each other, by words
alone: chosen and tested on SciFact (``docs/critics.md``)."""
OWN_STRENGTH = 0.6
"""Of what the thesis itself names as refuting it: it was found, but not weighed."""
GRAVE = 0.7

_ABSOLUTE = word_set("always never all none everyone completely totally")
_PAIRS = (
    (r"increas\w*", r"decreas\w*"),
    (r"improv\w*", r"worsen\w*"),
    ("always", "never"),
    ("more", "less"),
    ("higher", "lower"),
)
_GENERAL = word_set("typically usually often most")
_CAUSAL = word_set("causes because therefore thus")
_CAUSAL_PHRASES = ("leads to", "results in")
_CIRCULAR = re.compile(r"\b(?:because it is|since it['’]s)\b", re.IGNORECASE)
SHORT_CLAIM, SURE, VERY_SURE = 50, 0.7, 0.8
WEAK_VALIDITY, WEAK_EVIDENCE, FEW_EVIDENCE = 0.5, 0.6, 2


class _Found(NamedTuple):
    type: ChallengeType
    severity: Severity
    confidence: float
    description: str
    counter: tuple[Evidence, ...] = ()


class _Counter(NamedTuple):
    """A statement that speaks against the thesis."""

    text: str
    evidence: tuple[Evidence, ...]
    strength: float


def antagonise(
    thesis: Sno,
    passage: Sequence[PassageDocument],
    *,
    example: str,
    round_number: int = 1,
    most: int = MAX_CHALLENGES,
    against: Compare = LEXICAL.contradiction,
) -> Objections:
    """Challenges, the most weighty first, and the antithesis when something speaks against the thesis.

    ``against`` says how far a sentence contradicts a claim, in [0, 1]; from 0.5 it is held against it. Parts
    of the thesis that read the same sentences are held against each other, by words from *contested* of 0.4.
    """
    counters = _counters(thesis, passage, against)
    prefix = global_id(example, f"a{round_number}")
    clashes = _clashes(thesis, against)
    return Objections(
        method=HEURISTIC,
        challenges=challenges(thesis, counters, clashes, prefix=prefix, most=most),
        antithesis=_antithesis(thesis, counters, prefix, round_number),
    )


def challenges(
    thesis: Sno,
    counters: Sequence[_Counter] = (),
    clashes: Sequence[_Found] = (),
    *,
    prefix: str = "a1",
    most: int = MAX_CHALLENGES,
) -> tuple[Challenge, ...]:
    """What can be objected, by falling chirality; of equal ones in the order of the rules.

    What was objected in an earlier round is not objected again, or each round would lower the confidence.
    """
    found = [
        *_against(counters),
        *clashes,
        *_absolutes(thesis),
        *_inner_pairs(thesis),
        *_evidence_gaps(thesis),
        *_scope(thesis),
        *_causes(thesis),
        *_alternatives(thesis),
    ]
    made = [
        Challenge(
            id=f"{prefix}/k{number}",
            target=thesis.id,
            type=each.type,
            description=each.description,
            severity=each.severity,
            confidence=each.confidence,
            suggested_evidence=each.counter,
            method=HEURISTIC,
        )
        for number, each in enumerate(found, start=1)
    ]
    raised = frozenset(thesis.metadata.get(RAISED, ()))
    new = [each for each in made if challenge_key(each) not in raised]
    return tuple(sorted(new, key=challenge_chirality, reverse=True)[:most])


def _against(counters: Sequence[_Counter]) -> Iterator[_Found]:
    if counters:
        strongest = max(counters, key=lambda counter: counter.strength)
        grave: Severity = "high" if strongest.strength >= GRAVE else "medium"
        told = f"{len(counters)} statement{'s speak' if len(counters) > 1 else ' speaks'} against it, first: "
        evidence = tuple(item for counter in counters for item in counter.evidence)
        yield _Found("contradiction", grave, strongest.strength, told + strongest.text, evidence)


def _clashes(thesis: Sno, against: Compare) -> list[_Found]:
    """Parts that read the same sentences in ways that exclude each other.

    By words this is the one setting in which contradictions are found reliably: two claims on the same
    evidence.
    """
    by_words = against is LEXICAL.contradiction
    read = [
        (part, {key for key in evidence_keys(part.evidence) if key[1] is not None})
        for part in thesis.children[:MAX_PARTS]
    ]
    found = []
    for (one, places), (other, others) in combinations(read, 2):
        if not places & others:
            continue
        strength = (
            contested(one.claim, other.claim, token_f1) if by_words else against(one.claim, other.claim)
        )
        if strength >= (CONTESTED if by_words else OPPOSES):
            grave: Severity = "high" if strength >= GRAVE else "medium"
            told = f"two parts read one sentence in opposite ways: {one.claim} / {other.claim}"
            found.append(_Found("contradiction", grave, strength, told))
    return found


def _absolutes(thesis: Sno) -> Iterator[_Found]:
    said = known_tokens(thesis.claim)
    terms = [term for term in dict.fromkeys(said) if term in _ABSOLUTE]
    terms += ["no one"] if "no one" in normalise(thesis.claim) else []
    for term in terms:
        yield _Found("contradiction", "medium", 0.6, f"one exception refutes a claim that says {term!r}")


def _inner_pairs(thesis: Sno) -> Iterator[_Found]:
    text = thesis.claim.casefold()
    for left, right in _PAIRS:
        first, second = re.search(rf"\b{left}\b", text), re.search(rf"\b{right}\b", text)
        if first and second:
            told = f"it says both {first[0]!r} and {second[0]!r}"
            yield _Found("contradiction", "high", 0.7, told)


def _evidence_gaps(thesis: Sno) -> Iterator[_Found]:
    items = thesis.evidence
    if not items:
        yield _Found("evidence_gap", "high", 0.9, "nothing is given as evidence")
        return
    weak = [item for item in items if item.validity < WEAK_VALIDITY]
    if weak:
        told = f"{len(weak)} of {len(items)} pieces of evidence are weak, the first from {weak[0].source}"
        yield _Found("evidence_gap", "medium", 0.7, told)
    score = evidence_score(items)
    if 0 < score < WEAK_EVIDENCE:
        yield _Found("evidence_gap", "medium", 0.6, f"the evidence as a whole is weak: {score:.2f}")


def _scope(thesis: Sno) -> Iterator[_Found]:
    said = frozenset(known_tokens(thesis.claim))
    if said & _GENERAL or "in general" in normalise(thesis.claim):
        yield _Found("scope", "low", 0.5, "it generalises; for whom does it hold?")
    if len(thesis.claim) < SHORT_CLAIM and thesis.confidence > SURE:
        yield _Found("scope", "low", 0.4, "it is short for how sure it is")


def _causes(thesis: Sno) -> Iterator[_Found]:
    said, text = frozenset(known_tokens(thesis.claim)), normalise(thesis.claim)
    causal = said & _CAUSAL or any(phrase in text for phrase in _CAUSAL_PHRASES)
    if causal and len(thesis.evidence) < FEW_EVIDENCE:
        yield _Found("logical", "medium", 0.6, "a cause is claimed on hardly any evidence")
    if _CIRCULAR.search(thesis.claim):
        yield _Found("logical", "high", 0.5, "the reason given is the claim itself")


def _alternatives(thesis: Sno) -> Iterator[_Found]:
    if thesis.confidence > VERY_SURE:
        yield _Found(
            "alternative", "low", 0.4, f"at a confidence of {thesis.confidence:.2f} others are shut out"
        )


def _counters(thesis: Sno, passage: Sequence[PassageDocument], against: Compare) -> list[_Counter]:
    """What the thesis names as refuting it and has not conceded, and what else the passage holds.

    A part that the thesis takes for support counts too when its wording is against the thesis.
    """
    labels = {r.source: r.label for r in thesis.relations if r.target == thesis.id}
    claim = normalise(thesis.claim)
    own = list[_Counter]()
    misread = list[_Counter]()
    for part in thesis.children:
        strength = against(thesis.claim, part.claim)
        if labels.get(part.id) == "refutes":
            own.append(_Counter(part.claim, part.evidence, max(OWN_STRENGTH, strength)))
        elif strength >= OPPOSES and _bare(part.claim) not in claim:
            misread.append(_Counter(part.claim, part.evidence, strength))
    conceded = any(_bare(counter.text) in claim for counter in own)
    known = evidence_keys(all_evidence(thesis))
    new = list[_Counter]()
    for document in passage:
        for number, sentence in enumerate(document.sentences):
            if (document.id, number) in known or _bare(sentence) in claim or not document.id:
                continue
            strength = against(thesis.claim, sentence)
            if strength >= OPPOSES:
                item = Evidence(source=document.id, content=sentence, sentences=(number,), retrieval="search")
                new.append(_Counter(sentence, (item,), strength))
    return [*([] if conceded else own), *misread, *new][:MAX_PARTS]


def _bare(text: str) -> str:
    return normalise(text).rstrip(".!? ")


def _antithesis(thesis: Sno, counters: Sequence[_Counter], prefix: str, round_number: int) -> Sno | None:
    """The strongest statement against the thesis as a claim of its own, with all of them for it."""
    if not counters:
        return None
    strongest = max(counters, key=lambda counter: counter.strength)
    parts = tuple(
        Sno(
            id=global_id(prefix, f"c{number}"),
            claim=counter.text,
            evidence=counter.evidence,
            confidence=counter.strength,
        )
        for number, counter in enumerate(counters, start=2)
    )
    main = global_id(prefix, "c1")
    sno = Sno(
        id=main,
        claim=strongest.text,
        evidence=tuple(item for counter in counters for item in counter.evidence),
        confidence=min(1.0, sum(counter.strength for counter in counters) / len(counters)),
        children=parts,
        relations=tuple(Relation(source=part.id, label="supports", target=main) for part in parts),
    )
    made = Provenance(
        origin="antagonist",
        parents=(thesis.id,),
        generation=round_number,
        transformation="statements that speak against the thesis",
        method=HEURISTIC,
    )
    return stamped(sno, made)
