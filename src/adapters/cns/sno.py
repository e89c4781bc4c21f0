"""Narrative objects: made from answers, walked, merged, checked, compared by the evidence they rest on.

Called by the critics, the dialectic and the metrics adapter. Pure; never raises for what an object says. Ids
of claims that come from answers are global, ``<example>/<claim>``, so that those of different examples never
fall together (rejected: the ids ``c1``, ``c2`` of answers, under which 505 graphs become one of 12 nodes).

Evidence is compared by its keys, (document, sentence): two items that were found independently are the same
evidence when they stand at the same place, whatever their wording, time or finder.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from ...messages.base import Message
from ...messages.claims import Claim, ClaimDocument, Evidence, PassageDocument, Provenance, Relation, Sno
from .evidence import evidence_claims
from .graph import cycle_count
from .scores import Score, share
from .sentences import match_sentence

__all__ = [
    "MAX_DEPTH",
    "EvidenceKey",
    "MergedSnos",
    "SnoProblem",
    "Support",
    "all_evidence",
    "content_sha256",
    "depth",
    "entanglement",
    "evidence_keys",
    "global_id",
    "merge_snos",
    "problems",
    "sno_of_answer",
    "unite_evidence",
    "walk",
]

EvidenceKey = tuple[str, int | None]
"""Document and sentence; None for the document as a whole."""

Support = Callable[[str, PassageDocument], float]
"""How far a document bears out a text, in [0, 1]."""

MAX_DEPTH = 100
"""Levels of children that are looked at; an object nested deeper is a fault, not an argument."""

CITATION_WEIGHT = 0.4
"""Of validity against relevance when evidence is put in order."""


class SnoProblem(Message, frozen=True):
    """Something that is wrong with objects taken together; ``sno`` is the id it is about."""

    code: Literal[
        "no_object",
        "no_evidence",
        "duplicate_id",
        "self_relation",
        "dangling_relation",
        "contradicting_relations",
        "cycle",
        "too_deep",
    ]
    sno: str
    message: str


class MergedSnos(Message, frozen=True):
    """Objects as one graph: each id once, all relations between them, and what is wrong with it."""

    snos: tuple[Sno, ...] = ()
    relations: tuple[Relation, ...] = ()
    problems: tuple[SnoProblem, ...] = ()


def global_id(example: str, claim: str) -> str:
    """``<example>/<claim>``."""
    return f"{example}/{claim}"


def walk(sno: Sno) -> Iterator[tuple[Sno, int]]:
    """The object and all below it to ``MAX_DEPTH``, each with its depth, parents first."""
    pending = [(sno, 0)]
    while pending:
        node, level = pending.pop()
        yield node, level
        if level < MAX_DEPTH:
            pending += [(child, level + 1) for child in reversed(node.children)]


def depth(sno: Sno) -> int:
    """Levels of children below the object, 0 without any."""
    return max(level for _, level in walk(sno))


def evidence_keys(items: Iterable[Evidence]) -> frozenset[EvidenceKey]:
    """The places that the items stand at."""
    return frozenset((item.source, sentence) for item in items for sentence in (item.sentences or (None,)))


def all_evidence(sno: Sno) -> list[Evidence]:
    """Of the object and of all below it."""
    return [item for node, _ in walk(sno) for item in node.evidence]


def entanglement(left: Sno, right: Sno, weight: Callable[[EvidenceKey], float] | None = None) -> Score:
    """Evidential entanglement: the (weighted) Jaccard index of the places that both objects rest on.

    Σ w over the shared keys / Σ w over all keys; None when neither object has evidence (rejected: 0, which
    would say that they rest on different evidence).
    """
    first, second = evidence_keys(all_evidence(left)), evidence_keys(all_evidence(right))
    weigh = weight or (lambda _: 1.0)
    shared = math.fsum(sorted(weigh(key) for key in first & second))
    return share(shared, math.fsum(sorted(weigh(key) for key in first | second)))


def unite_evidence(
    *groups: Iterable[Evidence], validity_weight: float = CITATION_WEIGHT
) -> tuple[Evidence, ...]:
    """Each item once by its keys, the most valid of equals, in falling order of weighted worth.

    Worth is w·validity + (1 − w)·relevance; items of equal worth keep their order.
    """

    def worth(item: Evidence) -> float:
        return validity_weight * item.validity + (1 - validity_weight) * item.relevance

    best: dict[frozenset[EvidenceKey], Evidence] = {}
    for item in (item for group in groups for item in group):
        keys = evidence_keys((item,))
        if keys not in best or worth(item) > worth(best[keys]):
            best[keys] = item
    return tuple(sorted(best.values(), key=worth, reverse=True))


def content_sha256(sno: Sno) -> str:
    """Of the claim, its evidence, its parts and its relations: not of ids, confidence, times or history."""
    digest = hashlib.sha256()
    nodes = list(walk(sno))
    place = {node.id: number for number, (node, _) in enumerate(nodes)}
    for node, level in nodes:
        digest.update(
            msgspec.json.encode(
                (
                    level,
                    node.claim,
                    [(item.source, item.content, item.sentences) for item in node.evidence],
                    [(place.get(r.source), r.label, place.get(r.target)) for r in node.relations],
                )
            )
        )
    return digest.hexdigest()


def sno_of_answer(
    answer: ClaimDocument, example: str, passage: Sequence[PassageDocument], support: Support
) -> Sno | None:
    """The object of a parsed answer; None when it has no claim.

    The hypothesis is c1, or the first claim where c1 is missing; every other claim is a child and, with the
    place it was found at, a piece of evidence. Its validity is ``support`` by the document it cites, 0 when
    that is not in the passage. Of claims with one id the first counts. A confidence is not in an answer and
    stays at its default.
    """
    claims = {claim.id: claim for claim in reversed(answer.claims)}
    if not claims:
        return None
    main = claims.get("c1", answer.claims[0])
    children = tuple(
        Sno(
            id=global_id(example, claim.id),
            claim=claim.text,
            evidence=_cited(claim, passage, support),
            provenance=_READ,
        )
        for claim in evidence_claims(answer)
        if claims[claim.id] is claim and claim is not main
    )
    return Sno(
        id=global_id(example, main.id),
        claim=main.text,
        evidence=tuple(item for child in children for item in child.evidence),
        provenance=_READ,
        children=children,
        relations=tuple(
            msgspec.structs.replace(
                r, source=global_id(example, r.source), target=global_id(example, r.target)
            )
            for r in answer.relations
        ),
    )


_READ = Provenance(origin="external", transformation="read from an answer")


def _cited(claim: Claim, passage: Sequence[PassageDocument], support: Support) -> tuple[Evidence, ...]:
    """What a claim cites, at the sentences where it was found; nothing when it cites nothing."""
    if claim.document_id is None:
        return ()
    document = next((document for document in passage if document.id == claim.document_id), None)
    found = [] if document is None else match_sentence(claim.text, document.sentences)
    validity = 0.0 if document is None else min(1.0, max(0.0, support(claim.text, document)))
    item = Evidence(
        source=claim.document_id,
        content=claim.text,
        validity=validity,
        sentences=tuple(found),
        retrieval="citation",
    )
    return (item,)


def merge_snos(snos: Sequence[Sno]) -> MergedSnos:
    """All objects and all below them as one graph.

    An id that comes again with the same claim is the same object: evidence is united, the first one's other
    fields stay. With another claim it is a ``duplicate_id``, and the first one stays. A relation that comes
    again is written once.
    """
    known: dict[str, Sno] = {}
    found = [] if snos else [SnoProblem(code="no_object", sno="", message="there is no object")]
    relations: dict[tuple[str, str, str], Relation] = {}
    for node, level in (entry for sno in snos for entry in walk(sno)):
        first = known.get(node.id)
        if first is None:
            known[node.id] = node
        elif first.claim == node.claim:
            united = unite_evidence(first.evidence, node.evidence)
            known[node.id] = msgspec.structs.replace(first, evidence=united)
        else:
            text = f"{node.id} is the id of two claims: {first.claim[:40]!r} and {node.claim[:40]!r}"
            found.append(SnoProblem(code="duplicate_id", sno=node.id, message=text))
        for r in node.relations:
            relations.setdefault((r.source, r.label, r.target), r)
        if level == MAX_DEPTH and node.children:
            text = f"{node.id} has children below level {MAX_DEPTH}; they are left out"
            found.append(SnoProblem(code="too_deep", sno=node.id, message=text))
    found += _relation_problems(known, tuple(relations.values()))
    found += _object_problems(known)
    return MergedSnos(snos=tuple(known.values()), relations=tuple(relations.values()), problems=tuple(found))


def problems(snos: Sequence[Sno]) -> tuple[SnoProblem, ...]:
    """What is wrong with the objects taken together; nothing when all is well, ``no_object`` without any."""
    twice = Counter(node.id for sno in snos for node, _ in walk(sno))
    repeated = [
        SnoProblem(code="duplicate_id", sno=id_, message=f"{id_} stands {count} times")
        for id_, count in twice.items()
        if count > 1
    ]
    other = [problem for problem in merge_snos(snos).problems if problem.code != "duplicate_id"]
    return (*repeated, *other)


def _object_problems(known: Mapping[str, Sno]) -> Iterator[SnoProblem]:
    for node in known.values():
        if not node.evidence and not node.children:
            yield SnoProblem(code="no_evidence", sno=node.id, message=f"{node.id} has no evidence")
    place = {id_: number for number, id_ in enumerate(known)}
    descent = [
        (place[parent], place[node.id])
        for node in known.values()
        for parent in (node.provenance.parents if node.provenance else ())
        if parent in place
    ]
    if cycle_count(len(place), descent):
        yield SnoProblem(code="cycle", sno="", message="objects are made from each other in a circle")


def _relation_problems(known: Mapping[str, Sno], relations: Sequence[Relation]) -> Iterator[SnoProblem]:
    place = {id_: number for number, id_ in enumerate(known)}
    labels: dict[tuple[str, str], str] = {}
    edges = []
    for r in relations:
        missing = [end for end in dict.fromkeys((r.source, r.target)) if end not in known]
        if missing:
            text = f"{r.source} {r.label} {r.target}: there is no {' and no '.join(missing)}"
            yield SnoProblem(code="dangling_relation", sno=r.source, message=text)
        if r.source == r.target:
            yield SnoProblem(code="self_relation", sno=r.source, message=f"{r.source} {r.label} itself")
        elif not missing:
            edges.append((place[r.source], place[r.target]))
        if labels.setdefault((r.source, r.target), r.label) != r.label:
            text = f"{r.source} both supports and refutes {r.target}"
            yield SnoProblem(code="contradicting_relations", sno=r.source, message=text)
    circles = cycle_count(len(place), edges)
    if circles:
        text = f"{circles} groups of claims argue in a circle"
        yield SnoProblem(code="cycle", sno="", message=text)
