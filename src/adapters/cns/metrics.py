"""All scores of one answer, from the text of the answer, its prompt and its reference.

Called by the metrics adapter. Pure. Scores about content read the answer with the lenient grammar, so that a
slip of form costs the schema score and nothing else; only the schema scores use the strict one. Nothing here
falls back to another method: a score is defined or None, and ``METHODS`` names how each is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from ...messages.claims import ClaimDocument, PassageDocument
from .chirality import Embed, chirality
from .citations import CITATION_METHOD, citation_scores, cited_ids
from .evidence import EVIDENCE_METHOD, evidence_claims, evidence_scores, read_evidence
from .graph import beta1, claim_graph, cycle_count, polarity_conflict
from .parser import MAX_CLAIMS, read_answer
from .passage import parse_passage
from .quality import QUALITY_METHOD, overall_quality
from .schema import SCHEMA_METHOD, schema_scores
from .scores import Score, Scores, mean
from .similarity import SIMILARITY_METHOD, similarity_scores

__all__ = ["METHODS", "Entailment", "score_answer"]

METHODS: dict[str, str] = {
    "schema_compliance": SCHEMA_METHOD,
    "schema_has_claim": SCHEMA_METHOD,
    "schema_has_c1": SCHEMA_METHOD,
    "schema_consecutive_ids": SCHEMA_METHOD,
    "schema_relations_resolve": SCHEMA_METHOD,
    "schema_all_lines_parsed": SCHEMA_METHOD,
    "parseable": "lenient grammar",
    "citation_precision": CITATION_METHOD,
    "citation_recall": CITATION_METHOD,
    "citation_f1": CITATION_METHOD,
    "citation_hallucination_rate": CITATION_METHOD,
    "citation_abstained": CITATION_METHOD,
    "sentence_precision": EVIDENCE_METHOD,
    "sentence_recall": EVIDENCE_METHOD,
    "sentence_f1": EVIDENCE_METHOD,
    "labelled_sentence_f1": EVIDENCE_METHOD,
    "relation_accuracy": EVIDENCE_METHOD,
    "supports_recall": EVIDENCE_METHOD,
    "refutes_recall": EVIDENCE_METHOD,
    "c1_similarity": SIMILARITY_METHOD,
    "mean_similarity": SIMILARITY_METHOD,
    "beta1": "E - V + C, undirected simple claim graph",
    "cycle_count": "strongly connected components with a cycle",
    "polarity_conflict": "relations to c1",
    "overall_quality": QUALITY_METHOD,
}
"""How each score is computed; mean_entailment and chirality depend on the parts that are plugged in."""


class Entailment(Protocol):
    """How far a document bears out a claim."""

    @property
    def method(self) -> str:
        """Name and settings, for the results."""
        ...

    def support(self, claim: str, document: PassageDocument) -> float:
        """In [0, 1]."""
        ...


def score_answer(
    answer: str,
    *,
    prompt: str,
    reference: str | None,
    document_ids: Sequence[str] | set[str] = (),
    entailment: Entailment,
    embed: Embed | None,
) -> tuple[Scores, dict[str, Any]]:
    """Scores of one answer and details that explain them.

    Args:
        answer: text of the answer, empty for one that failed.
        prompt: what was asked; its passage gives the documents.
        reference: the gold answer, None when there is none.
        document_ids: gold ids for a reference that cites nothing, and offered ids for a prompt without
            documents.
        entailment: scores evidence claims against the documents they cite.
        embed: points for chirality; None: from the words that its sides share.
    """
    strict, output = read_answer(answer)
    gold = read_answer(reference)[1] if reference is not None else None
    passage = parse_passage(prompt)
    details: dict[str, Any] = {}
    scores = schema_scores(strict, output)
    if len(output.claims) > MAX_CLAIMS:
        output = msgspec.structs.replace(output, claims=output.claims[:MAX_CLAIMS])
        details["claims_scored"] = MAX_CLAIMS
    scores |= _citations(output, gold, passage, document_ids, details)
    scores |= _evidence(output, gold, passage, details)
    scores |= similarity_scores(output, gold)
    scores |= _entailment(output, passage, entailment, details)
    scores |= _graph(output, embed)
    scores["overall_quality"] = _quality(scores, output, gold, bool(passage))
    codes = [problem.code for problem in strict.diagnostics]
    if codes:
        details["diagnostics"] = {code: codes.count(code) for code in dict.fromkeys(codes)}
    return scores, details


def _citations(
    output: ClaimDocument,
    gold: ClaimDocument | None,
    passage: Sequence[PassageDocument],
    document_ids: Sequence[str] | set[str],
    details: dict[str, Any],
) -> Scores:
    cited = cited_ids(output)
    wanted = cited_ids(gold) if gold is not None else set()
    details["gold_ids_from"] = "reference" if wanted else "row" if document_ids else "none"
    offered = {document.id for document in passage if document.id} or set(document_ids)
    if offered and cited - offered:
        details["hallucinated_ids"] = sorted(cited - offered)
    return citation_scores(cited, wanted or set(document_ids), offered)


def _evidence(
    output: ClaimDocument,
    gold: ClaimDocument | None,
    passage: Sequence[PassageDocument],
    details: dict[str, Any],
) -> Scores:
    found = read_evidence(output, passage)
    wanted = read_evidence(gold, passage) if gold is not None else None
    if found.unlocated:
        details["unlocated_claims"] = found.unlocated
    if wanted is not None and wanted.unlocated:
        details["unlocated_reference_claims"] = wanted.unlocated
    return evidence_scores(found, wanted)


def _entailment(
    output: ClaimDocument,
    passage: Sequence[PassageDocument],
    entailment: Entailment,
    details: dict[str, Any],
) -> Scores:
    """Mean over evidence claims; one that cites no document of the passage is not borne out: 0.

    None without an evidence claim or without a passage. A passage without ids has one document, which then
    stands for what an uncited claim cites.
    """
    if not passage:
        return {"mean_entailment": None}
    by_id = {document.id: document for document in reversed(passage)}
    values = []
    for claim in evidence_claims(output):
        document = by_id.get(claim.document_id or "")
        values.append(0.0 if document is None else entailment.support(claim.text, document))
    if values:
        details["entailment"] = [round(value, 4) for value in values]
    return {"mean_entailment": mean(values)}


def _graph(output: ClaimDocument, embed: Embed | None) -> Scores:
    if not output.claims:
        return dict.fromkeys(("beta1", "cycle_count", "polarity_conflict", "chirality"))
    graph = claim_graph(output)
    conflict = polarity_conflict(output)
    return {
        "beta1": float(beta1(len(graph.ids), graph.edges)),
        "cycle_count": float(cycle_count(len(graph.ids), graph.edges)),
        "polarity_conflict": None if conflict is None else float(conflict),
        "chirality": chirality(output, embed, conflict=bool(conflict)),
    }


def _quality(scores: Scores, output: ClaimDocument, gold: ClaimDocument | None, has_passage: bool) -> Score:  # noqa: FBT001
    """0 for an answer without claims; without evidence claims its entailment part is 0."""
    if scores["citation_f1"] is None or not has_passage:
        return None
    if not output.claims:
        return 0.0
    reference = claim_graph(gold) if gold is not None else None
    allowed = beta1(len(reference.ids), reference.edges) if reference is not None else 0
    conflict_allowed = gold is not None and bool(polarity_conflict(gold))
    return overall_quality(
        schema=scores["schema_compliance"] or 0.0,
        citation=scores["citation_f1"],
        entailment=scores["mean_entailment"] or 0.0,
        extra_loops=max(0, int(scores["beta1"] or 0) - allowed),
        extra_conflict=bool(scores["polarity_conflict"]) and not conflict_allowed,
    )
