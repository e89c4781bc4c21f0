"""Which sentences of the passage an answer selects, and what it says of them.

Output and reference are both located in the passage by ``match_sentence``, and then compared sentence by
sentence, as SciFact does (Wadden et al. 2020, *selection* and *selection + label*). Hence ids and the order
of claims do not matter, and a text that was shortened or joined differently still counts for what it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...messages.claims import Claim, ClaimDocument, PassageDocument, RelationLabel
from .scores import Scores, f1, share
from .sentences import match_sentence

__all__ = ["EVIDENCE_METHOD", "Evidence", "evidence_claims", "evidence_scores", "locate", "read_evidence"]

EVIDENCE_METHOD = "passage sentences covered (verbatim, else token F1 >= 0.5)"

Place = tuple[int, int]
"""Document and sentence, positions in the passage."""

Labels = frozenset[RelationLabel]


class Evidence(NamedTuple):
    """Sentences that an answer selects, with the labels it gives them towards c1."""

    labels: dict[Place, Labels]
    unlocated: int
    """Evidence claims that cover no sentence."""


def evidence_claims(document: ClaimDocument) -> list[Claim]:
    """All claims but c1."""
    return [claim for claim in document.claims if claim.id != "c1"]


def locate(claim: Claim, passage: Sequence[PassageDocument]) -> tuple[Place, ...]:
    """The sentences a claim covers: in the document it cites, else (or without a citation) in all."""
    for position, document in enumerate(passage):
        if document.id == claim.document_id:
            found = match_sentence(claim.text, document.sentences)
            if found:
                return tuple((position, sentence) for sentence in found)
    places = [(i, j) for i, document in enumerate(passage) for j in range(len(document.sentences))]
    sentences = [sentence for document in passage for sentence in document.sentences]
    return tuple(places[index] for index in match_sentence(claim.text, sentences))


def read_evidence(document: ClaimDocument, passage: Sequence[PassageDocument]) -> Evidence:
    """Locate the evidence claims of an answer and gather their labels."""
    labels: dict[Place, Labels] = {}
    unlocated = 0
    for claim in evidence_claims(document):
        given = frozenset(r.label for r in document.relations if (r.source, r.target) == (claim.id, "c1"))
        places = locate(claim, passage)
        unlocated += not places
        for place in places:
            labels[place] = labels.get(place, frozenset()) | given
    return Evidence(labels, unlocated)


def evidence_scores(output: Evidence, gold: Evidence | None) -> Scores:
    """Selection and labels of an answer against the reference.

    An evidence claim that covers no sentence counts as one wrong selection. Without a reference, or with one
    that has no evidence in the passage, all is None, except that precision is 0 when the reference has no
    evidence claim at all and the answer has. ``relation_accuracy`` is over the gold sentences that were
    selected and have a gold label: the share whose set of labels is the same.
    """
    if gold is None or not gold.labels:
        none = gold is not None and not gold.unlocated and bool(output.labels or output.unlocated)
        return dict.fromkeys(_NAMES) | {"sentence_precision": 0.0 if none else None}
    common = output.labels.keys() & gold.labels.keys()
    labelled = [place for place in common if gold.labels[place]]
    right = sum(output.labels[place] == gold.labels[place] for place in labelled)
    selected = len(output.labels) + output.unlocated
    return {
        "sentence_precision": share(len(common), selected),
        "sentence_recall": len(common) / len(gold.labels),
        "sentence_f1": f1(len(common), selected, len(gold.labels)),
        "labelled_sentence_f1": f1(right, selected, sum(map(bool, gold.labels.values()))),
        "relation_accuracy": share(right, len(labelled)),
        "supports_recall": _recall(output, gold, "supports"),
        "refutes_recall": _recall(output, gold, "refutes"),
    }


_NAMES = (
    "sentence_precision",
    "sentence_recall",
    "sentence_f1",
    "labelled_sentence_f1",
    "relation_accuracy",
    "supports_recall",
    "refutes_recall",
)


def _recall(output: Evidence, gold: Evidence, label: RelationLabel) -> float | None:
    """Share of the gold sentences with exactly this label that were selected with exactly this label."""
    wanted = [place for place, labels in gold.labels.items() if labels == {label}]
    return share(sum(output.labels.get(place) == frozenset({label}) for place in wanted), len(wanted))
