"""A passage on bees with something for and something against, and objects about it."""

from __future__ import annotations

from typing import Any

from crucible.adapters.cns import parse_passage
from crucible.adapters.entailment.lexical import LexicalEntailment
from crucible.messages.claims import Evidence, Relation, Sno

PROMPT = """Report the evidence.

Passage:
Document 7: Hedges and bees

Hedges increase the number of wild bees in fields. We counted bees in forty fields for two years. Bees were \
twice as many beside hedges. Hedges did not increase the number of wild bees in sprayed fields.

Document 8: Sprays

Sprayed fields were left out of earlier counts.

Task:
1. Restate.
"""
PASSAGE = parse_passage(PROMPT)
SUPPORT = LexicalEntailment().support
CLAIM = "Hedges increase the number of wild bees in fields."
FOR = "Bees were twice as many beside hedges."
AGAINST = "Hedges did not increase the number of wild bees in sprayed fields."
ANSWER = f"CLAIM[c1]: {CLAIM}\nCLAIM[c2] (Document 7): {FOR}\nRELATION: c2 supports c1"


def evidence(source: str = "7", sentence: int = 2, **fields: Any) -> Evidence:
    return Evidence(source=source, content=FOR, sentences=(sentence,), **fields)


def sno(claim: str = CLAIM, *items: Evidence, **fields: Any) -> Sno:
    return Sno(id=fields.pop("id", "e/c1"), claim=claim, evidence=items, **fields)


def argued(label: str = "supports") -> Sno:
    """A thesis with one part."""
    part = Sno(id="e/c2", claim=FOR, evidence=(evidence(),))
    relation = Relation(source="e/c2", label=label, target="e/c1")  # type: ignore[arg-type]
    return sno(CLAIM, evidence(), children=(part,), relations=(relation,))
