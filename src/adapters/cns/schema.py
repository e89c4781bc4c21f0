"""Does an answer keep to the grammar? Each part of the question is a score of its own."""

from __future__ import annotations

from ...messages.claims import ClaimDocument
from .scores import Scores

__all__ = ["SCHEMA_METHOD", "schema_scores"]

SCHEMA_METHOD = "strict grammar"


def schema_scores(strict: ClaimDocument, lenient: ClaimDocument) -> Scores:
    """Scores 0 or 1 of one answer, parsed both ways.

    ``schema_compliance`` is 1 when every part below holds: a claim; a c1; ids c1, c2, ... in order, each
    once; both ends of every relation are claims; every line that is not blank is in the grammar. A part
    that has nothing to look at (ids without a claim, relations without a relation, lines of an empty answer)
    is None and does not count against compliance, which an answer without claims fails in any case.
    ``parseable`` is 1 when the lenient grammar finds a claim.
    """
    codes = {problem.code for problem in strict.diagnostics}
    ids = [claim.id for claim in strict.claims]
    in_order = ids == [f"c{number}" for number in range(1, len(ids) + 1)]
    stray = not codes.isdisjoint(("unparsed_line", "empty_claim"))
    something = bool(ids or strict.relations or stray)
    parts: Scores = {
        "schema_has_claim": float(bool(ids)),
        "schema_has_c1": float("c1" in ids),
        "schema_consecutive_ids": float(in_order) if ids else None,
        "schema_relations_resolve": float("dangling_relation" not in codes) if strict.relations else None,
        "schema_all_lines_parsed": float(not stray) if something else None,
    }
    complete = all(value is None or value == 1.0 for value in parts.values())
    return {
        "schema_compliance": float(complete),
        **parts,
        "parseable": float(bool(lenient.claims)),
    }
