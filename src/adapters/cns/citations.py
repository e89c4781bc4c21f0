"""Are the right documents cited? Scored per example, against that example's own prompt and gold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...messages.claims import ClaimDocument
from .scores import Scores, f1, share

__all__ = ["CITATION_METHOD", "citation_scores", "cited_ids", "document_ids"]

CITATION_METHOD = "sets of document ids per example"


def cited_ids(document: ClaimDocument) -> set[str]:
    """Ids of all documents that a claim cites."""
    return {claim.document_id for claim in document.claims if claim.document_id is not None}


def document_ids(fields: dict[str, Any]) -> set[str]:
    """``metadata.doc_ids`` (or ``doc_ids``) of a row: strings or whole numbers; other things are ignored."""
    metadata = fields.get("metadata")
    found = metadata.get("doc_ids") if isinstance(metadata, dict) else None
    found = fields.get("doc_ids") if found is None else found
    if not isinstance(found, list | tuple):
        return set()
    return {str(item) for item in found if isinstance(item, str | int) and not isinstance(item, bool)}


def citation_scores(cited: Collection[str], gold: Collection[str], offered: Collection[str]) -> Scores:
    """Scores of the ids that an answer cites.

    Args:
        cited: by the answer.
        gold: those it should cite; empty when unknown, then precision, recall and F1 are None.
        offered: those in the prompt; empty when unknown, then the hallucination rate is None.

    Returns:
        precision and hallucination rate are None when nothing is cited, which ``citation_abstained`` tells;
        recall and F1 are 0 then.
    """
    cited, gold, offered = set(cited), set(gold), set(offered)
    hits = len(cited & gold)
    return {
        "citation_precision": share(hits, len(cited)) if gold else None,
        "citation_recall": share(hits, len(gold)),
        "citation_f1": f1(hits, len(cited), len(gold)) if gold else None,
        "citation_hallucination_rate": share(len(cited - offered), len(cited)) if offered else None,
        "citation_abstained": float(not cited),
    }
