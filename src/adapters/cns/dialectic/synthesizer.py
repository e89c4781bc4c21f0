"""The synthesizer by rules: one object out of thesis, antithesis and challenges.

Called by ``arguments``. The figures are those of the CNS reference with its faults mended: claims are not cut
at 100 characters, evidence is united by its place (there by its source, so that of two sentences of one
document one is lost), challenges are resolved or stay pending (there all count as resolved), and a challenge
lowers the confidence once, not in every round. Joining two claims by *although* is wording, not
reconciliation; every result says ``heuristic``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ....messages.claims import Challenge, Evidence, Provenance, Relation, RelationLabel, Sno
from ....messages.dialectic import HEURISTIC, Objections, Synthesized
from ..measures import challenge_chirality, evidence_score, synthesis_confidence
from ..sno import EvidenceKey, evidence_keys, global_id, unite_evidence
from ..text import normalise
from .stamps import MAX_PARTS, RAISED, challenge_key, stamped

__all__ = ["answered", "joined", "merged_parts", "penalised", "synthesis_of", "synthesise"]

PENALTY = 0.1
LEAST_CONFIDENCE = 0.1
GROUNDED = 0.5
"""Least validity of evidence that is kept."""
GROUNDING, GROUNDING_ITEMS = 0.1, 5
_JOINT = ", although "


def synthesise(thesis: Sno, objections: Objections, *, example: str, round_number: int = 1) -> Synthesized:
    """The synthesis by the formulas.

    Without an antithesis it is the thesis with what is left of its confidence and its evidence; with one,
    both claims joined, the parts of both, and what the antithesis rests on as refuting. A claim that
    concedes something already is not made any longer.
    """
    antithesis, challenges = objections.antithesis, objections.challenges
    parts, relations = merged_parts(thesis, antithesis, global_id(example, f"s{round_number}"))
    evidence = unite_evidence(item for part in parts for item in part.evidence)
    evidence = evidence or tuple(item for item in thesis.evidence if item.validity >= GROUNDED)
    claim = thesis.claim
    if antithesis is not None and not _conceding(thesis):
        claim = joined(claim, antithesis.claim)
    sno = Sno(
        id=global_id(global_id(example, f"s{round_number}"), "c1"),
        claim=claim,
        evidence=evidence,
        confidence=confidence(thesis, antithesis, challenges, evidence),
        children=parts,
        relations=relations,
    )
    sno = synthesis_of(sno, thesis, objections, HEURISTIC, round_number, "both sides joined by rules")
    return Synthesized(sno=sno, method=HEURISTIC, challenges=answered(challenges, thesis, sno))


def synthesis_of(
    sno: Sno, thesis: Sno, objections: Objections, method: str, round_number: int, how: str
) -> Sno:
    """The object with where it comes from, the thesis' own history, and what was objected on the way."""
    sides = (thesis, *((objections.antithesis,) if objections.antithesis is not None else ()))
    before = (thesis.provenance,) if thesis.provenance is not None else ()
    raised = [*thesis.metadata.get(RAISED, ()), *(challenge_key(each) for each in objections.challenges)]
    metadata = {**sno.metadata, RAISED: list(dict.fromkeys(raised))}
    sno = msgspec.structs.replace(sno, history=(*thesis.history, *before), provenance=None, metadata=metadata)
    made = Provenance(
        origin="synthesizer",
        parents=tuple(side.id for side in sides),
        generation=round_number,
        transformation=how,
        method=method,
    )
    return stamped(sno, made)


def confidence(
    thesis: Sno, antithesis: Sno | None, challenges: Sequence[Challenge], evidence: Sequence[Evidence]
) -> float:
    """0.4·thesis + 0.4·antithesis + 0.2·mean validity + 0.05, then + 0.1·validity·min(1, n/5); at most 1.

    Each side counts with what its challenges leave of it (``penalised``); without an antithesis the thesis
    stands for both.
    """
    left = msgspec.structs.replace(thesis, confidence=penalised(thesis, challenges))
    base = synthesis_confidence(left, antithesis if antithesis is not None else left, evidence)
    boost = GROUNDING * evidence_score(evidence) * min(1.0, len(evidence) / GROUNDING_ITEMS)
    return min(1.0, base + boost)


def penalised(sno: Sno, challenges: Sequence[Challenge]) -> float:
    """Confidence − 0.1·Σ chirality of the challenges that aim at it, at least 0.1."""
    total = sum(challenge_chirality(each) for each in challenges if each.target == sno.id)
    return max(LEAST_CONFIDENCE, sno.confidence - PENALTY * total) if total else sno.confidence


def joined(thesis: str, antithesis: str) -> str:
    """``<thesis>, although <antithesis>.``; the thesis alone where it says the same already."""
    first = " ".join(thesis.split()).rstrip(".!? ")
    second = " ".join(antithesis.split()).rstrip(".!? ")
    if not second or normalise(second) in normalise(first):
        return thesis
    word = second.split(" ", 1)[0]
    if word[:1].isupper() and word[1:] == word[1:].lower() and word.isalpha():
        second = second[0].lower() + second[1:]  # DNA and pH stay as they are
    return f"{first}{_JOINT}{second}."


def _conceding(sno: Sno) -> bool:
    made = sno.provenance
    return made is not None and made.origin == "synthesizer" and _JOINT in sno.claim


def merged_parts(
    thesis: Sno, antithesis: Sno | None, prefix: str
) -> tuple[tuple[Sno, ...], tuple[Relation, ...]]:
    """Parts of both sides under new ids, each place once and only where the evidence is sound.

    The thesis comes first and keeps its relations; what supports the antithesis refutes the synthesis, and
    what refutes it supports the synthesis. Of one place read in two ways the antagonist's reading stands, as
    it was made with the other in view.
    """
    main = global_id(prefix, "c1")
    labels = {r.source: r.label for r in thesis.relations if r.target == thesis.id}
    sides: list[tuple[Sno, RelationLabel | None]] = [(part, labels.get(part.id)) for part in thesis.children]
    if antithesis is not None:
        turned: dict[str, RelationLabel] = {
            r.source: "refutes" if r.label == "supports" else "supports"
            for r in antithesis.relations
            if r.target == antithesis.id
        }
        sides += [(part, turned.get(part.id, "refutes")) for part in antithesis.children]
    found: dict[frozenset[EvidenceKey] | str, tuple[Sno, RelationLabel | None]] = {}
    for part, label in sides:
        place = evidence_keys(part.evidence) or normalise(part.claim)
        sound = not part.evidence or evidence_score(part.evidence) >= GROUNDED
        if sound and (place in found or len(found) < MAX_PARTS):
            found[place] = (found[place][0] if place in found else part, label)
    parts = tuple(
        msgspec.structs.replace(part, id=global_id(prefix, f"c{number}"))
        for number, (part, _) in enumerate(found.values(), start=2)
    )
    relations = tuple(
        Relation(source=part.id, label=label, target=main)
        for part, (_, label) in zip(parts, found.values(), strict=True)
        if label is not None
    )
    return parts, relations


def answered(challenges: Sequence[Challenge], thesis: Sno, synthesis: Sno) -> tuple[Challenge, ...]:
    """The challenges with what became of them.

    One with counter-evidence is accepted when the synthesis rests on all of it, partly when on some; one
    about a lack of evidence when the mean validity rose. Whatever the rules cannot tell stays pending.
    """
    has = evidence_keys(synthesis.evidence)

    def resolved(challenge: Challenge) -> Challenge:
        if challenge.resolution != "pending":
            return challenge
        wanted = evidence_keys(challenge.suggested_evidence)
        if wanted & has:
            return msgspec.structs.replace(challenge, resolution="accepted" if wanted <= has else "partial")
        gained = evidence_score(synthesis.evidence) > evidence_score(thesis.evidence)
        if challenge.type == "evidence_gap" and gained:
            return msgspec.structs.replace(challenge, resolution="accepted")
        return challenge

    return tuple(map(resolved, challenges))
