"""One structured answer from several: claims win by quorum, relations vote among the winners.

Called by votes over claims, which hand this in as a function. Claims of different members are the same when
they cite the same document and their token F1 is at least ``SAME_CLAIM``; a claim is in one group at most and
a group holds at most one claim of a member. The best pairs are joined first (agglomerative, complete linkage,
so that a chain of near-equals does not become one claim). The hypotheses, c1, are grouped among themselves.

A group wins when members of enough weight are in it. It is written in the words of the member closest to the
others. A relation between two winners wins when it is stated, with that label, by enough of the members that
make both claims (the others have no say in it); with equal weight for both labels none is written. Ids are
given anew in the order of the first mentions.

What comes out is valid by the strict grammar. Rejected: asking a model to merge (it would be one more member
that can err, and its answer could not be traced to votes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ...messages.base import Message
from ...messages.claims import Claim, ClaimDocument, Relation, RelationLabel
from .parser import format_claims, parse_claims
from .text import token_f1

__all__ = [
    "MAX_MERGED",
    "SAME_CLAIM",
    "CheckedClaim",
    "ClaimSupport",
    "MergedClaims",
    "RelationSupport",
    "check_claims",
    "merge_claims",
]

SAME_CLAIM = 0.6
"""Token F1 from which two claims on one document are the same claim."""

MAX_MERGED = 100
"""Claims of one answer that take part: pairs of claims are quadratic."""


class ClaimSupport(Message, frozen=True):
    """A claim and who made it, by the answers' positions."""

    claim: Claim
    answers: tuple[int, ...]
    weight: float


class RelationSupport(Message, frozen=True):
    """A relation and who stated it, by the answers' positions."""

    relation: Relation
    answers: tuple[int, ...]
    weight: float


class MergedClaims(Message, frozen=True):
    """The claims and relations that won. ``text`` is their canonical form, None when no hypothesis won."""

    text: str | None
    claims: tuple[ClaimSupport, ...] = ()
    relations: tuple[RelationSupport, ...] = ()
    lost: int = 0
    """Groups of claims that too few members stated."""
    needed: float = 0.0
    """The weight that was needed to win."""
    agreement: float | None = None
    """The mean share of the answers behind each claim that was made, won or lost."""


class CheckedClaim(Message, frozen=True):
    """A claim beside the hypothesis: which answers make it, and whether the reference does."""

    answers: tuple[int, ...]
    right: bool


class _Mention(NamedTuple):
    answer: int
    position: int
    claim: Claim


def merge_claims(
    answers: Sequence[str], weights: Sequence[float] | None = None, min_agreement: float = 0.5
) -> MergedClaims:
    """Merge the answers of members.

    Args:
        answers: one text for each member, read leniently; one without c1 takes part with its other claims.
        weights: as many numbers >= 0; all 1 by default.
        min_agreement: a claim or relation wins with more than this share of the total weight; with all of it
            when the share is 1.
    """
    weights = [1.0] * len(answers) if weights is None else list(weights)
    if len(weights) != len(answers):
        raise ValueError(f"{len(weights)} weights for {len(answers)} answers; expected as many")
    total = math.fsum(weights)
    documents = [parse_claims(answer) for answer in answers]
    first, others = _mentions(documents)
    groups = [_Group(group, weights) for mentions in (first, others) for group in _grouped(mentions)]
    winners = [group for group in groups if _wins(group.weight, total, min_agreement)]
    hypotheses = sorted((g for g in winners if g.hypothesis), key=lambda g: (-g.weight, g.order))
    made = sum(len(group.answers) for group in groups)
    agreement = made / len(groups) / len(answers) if groups else None
    if not hypotheses:
        return MergedClaims(text=None, lost=len(groups), needed=min_agreement * total, agreement=agreement)
    kept = [hypotheses[0], *sorted((g for g in winners if not g.hypothesis), key=lambda g: g.order)]
    ids = {group: f"c{number}" for number, group in enumerate(kept, start=1)}
    claims = tuple(group.support(ids[group]) for group in kept)
    relations = _relations(documents, kept, ids, weights, min_agreement)
    text = format_claims((item.claim for item in claims), (item.relation for item in relations))
    return MergedClaims(
        text=text,
        claims=claims,
        relations=relations,
        lost=len(groups) - len(kept),
        needed=min_agreement * total,
        agreement=agreement,
    )


def check_claims(answers: Sequence[str], reference: str) -> tuple[CheckedClaim, ...]:
    """The claims of the answers, grouped as for a merge, against those of the reference.

    A claim of the reference that no answer makes stands at the end, with no answers. The hypothesis, c1, is
    left out: it mostly repeats the task.
    """
    _, mentions = _mentions([parse_claims(answer) for answer in answers])
    _, known = _mentions([parse_claims(reference)])
    missing = [mention.claim for mention in known]
    checked = []
    for group in (_Group(mentions, [1.0] * len(answers)) for mentions in _grouped(mentions)):
        made = group.support("").claim
        same = [
            (_similarity(made.text, claim.text), -i)
            for i, claim in enumerate(missing)
            if claim.document_id == made.document_id
        ]
        score, place = max(same, default=(0.0, 0))
        if score >= SAME_CLAIM:
            del missing[-place]
        checked.append(CheckedClaim(answers=group.answers, right=score >= SAME_CLAIM))
    return (*checked, *(CheckedClaim(answers=(), right=True) for _ in missing))


class _Group:
    """Mentions of one claim, at most one of each answer."""

    def __init__(self, mentions: list[_Mention], weights: Sequence[float]) -> None:
        self.mentions = sorted(mentions)
        self.answers = tuple(mention.answer for mention in self.mentions)
        self.weight = math.fsum(weights[answer] for answer in self.answers)
        self.hypothesis = self.mentions[0].claim.id == "c1"
        self.order = min((mention.position, mention.answer) for mention in self.mentions)

    def support(self, identifier: str) -> ClaimSupport:
        """The claim in the words of the mention closest to the others, the first of equals."""
        closest = max(
            self.mentions,
            key=lambda mention: math.fsum(token_f1(mention.claim.text, m.claim.text) for m in self.mentions),
        ).claim
        claim = Claim(id=identifier, text=closest.text, document_id=closest.document_id)
        return ClaimSupport(claim=claim, answers=self.answers, weight=self.weight)


def _wins(weight: float, total: float, share: float) -> bool:
    return weight > 0 and (weight > share * total * (1 + 1e-9) or weight >= total * (1 - 1e-9))


def _mentions(documents: Sequence[ClaimDocument]) -> tuple[list[_Mention], list[_Mention]]:
    """The hypotheses and the other claims; of claims with one id the first counts."""
    first: list[_Mention] = []
    others: list[_Mention] = []
    for answer, document in enumerate(documents):
        seen: set[str] = set()
        for position, claim in enumerate(document.claims[:MAX_MERGED]):
            if claim.id not in seen:
                seen.add(claim.id)
                (first if claim.id == "c1" else others).append(_Mention(answer, position, claim))
    return first, others


def _grouped(mentions: list[_Mention]) -> list[list[_Mention]]:
    """Complete linkage over pairs in falling order of similarity."""
    group_of = [[i] for i in range(len(mentions))]
    similar: dict[tuple[int, int], float] = {}
    for i, j in combinations(range(len(mentions)), 2):
        left, right = mentions[i], mentions[j]
        if left.answer != right.answer and left.claim.document_id == right.claim.document_id:
            score = _similarity(left.claim.text, right.claim.text)
            if score >= SAME_CLAIM:
                similar[i, j] = score
    for i, j in sorted(similar, key=lambda pair: (-similar[pair], pair)):
        one, two = group_of[i], group_of[j]
        if one is not two and all((min(a, b), max(a, b)) in similar for a in one for b in two):
            one += two
            for member in two:
                group_of[member] = one
    distinct = {id(group): group for group in group_of}
    return [[mentions[i] for i in group] for group in distinct.values()]


def _similarity(left: str, right: str) -> float:
    return 1.0 if left.split() == right.split() else token_f1(left, right)


def _relations(
    documents: Sequence[ClaimDocument],
    kept: Sequence[_Group],
    ids: dict[_Group, str],
    weights: Sequence[float],
    share: float,
) -> tuple[RelationSupport, ...]:
    place = {(mention.answer, mention.claim.id): ids[group] for group in kept for mention in group.mentions}
    votes: dict[tuple[str, str], dict[RelationLabel, list[int]]] = {}
    for answer, document in enumerate(documents):
        stated: set[tuple[str, str]] = set()
        for relation in document.relations:
            source, target = place.get((answer, relation.source)), place.get((answer, relation.target))
            if source and target and source != target and (source, target) not in stated:
                stated.add((source, target))
                votes.setdefault((source, target), {}).setdefault(relation.label, []).append(answer)
    makes: dict[str, set[int]] = {}
    for (answer, _), name in place.items():
        makes.setdefault(name, set()).add(answer)
    won = []
    for (source, target), by_label in votes.items():
        total = math.fsum(weights[i] for i in makes[source] & makes[target])
        sums = {label: math.fsum(weights[i] for i in answers) for label, answers in by_label.items()}
        label = max(sums, key=lambda label: sums[label])
        if _wins(sums[label], total, share) and sum(math.isclose(s, sums[label]) for s in sums.values()) == 1:
            relation = Relation(source=source, label=label, target=target, raw_label=label)
            won.append(RelationSupport(relation=relation, answers=tuple(by_label[label]), weight=sums[label]))
    return tuple(sorted(won, key=lambda item: (int(item.relation.source[1:]), int(item.relation.target[1:]))))
