"""What all agents' objects share: where they come from, how large they may be, how they are written down."""

from __future__ import annotations

import re

import msgspec

from ....messages.claims import Challenge, Claim, Evidence, Provenance, Relation, Sno
from ..parser import format_claims
from ..sno import content_sha256

__all__ = ["DEFAULT_CONFIDENCE", "MAX_PARTS", "RAISED", "challenge_key", "stamped", "write"]

DEFAULT_CONFIDENCE = 0.5
"""Of a claim whose author does not say how sure it is."""
MAX_PARTS = 50
"""Claims of one object that are argued over; critics compare pairs, which are quadratic."""

RAISED = "raised"
"""Key of a synthesis' metadata: what was objected to the theses that it comes from."""

_DOCUMENT_ID = re.compile(r"[^\s():]{1,100}")


def challenge_key(challenge: Challenge) -> str:
    """What makes two challenges of different rounds the same."""
    return f"{challenge.type}: {challenge.description}"


def stamped(sno: Sno, made: Provenance) -> Sno:
    """The object with its provenance and the hash of its content; an earlier provenance becomes history."""
    before = (sno.provenance,) if sno.provenance is not None else ()
    history = (*sno.history, *(each for each in before if each.method))
    made = msgspec.structs.replace(made, content_sha256=content_sha256(sno))
    children = tuple(
        child if child.provenance is not None and child.provenance.method
        else msgspec.structs.replace(child, provenance=msgspec.structs.replace(made, content_sha256=""))
        for child in sno.children
    )  # fmt: skip
    return msgspec.structs.replace(sno, provenance=made, history=history, children=children)


def write(sno: Sno) -> str:
    """The object in the claim grammar: itself as c1, its parts as c2 and so on, each with its relation."""
    names = {child.id: f"c{number}" for number, child in enumerate(sno.children, start=2)}
    claims = [Claim(id="c1", text=sno.claim)]
    claims += [
        Claim(id=names[child.id], text=child.claim, document_id=_document(child.evidence))
        for child in sno.children
    ]
    names[sno.id] = "c1"
    relations = {
        (names[r.source], names[r.target]): r
        for r in sno.relations
        if r.source in names and r.target in names and r.source != r.target
    }
    written = [
        Relation(source=source, label=r.label, target=target) for (source, target), r in relations.items()
    ]
    return format_claims(claims, written)


def _document(evidence: tuple[Evidence, ...]) -> str | None:
    """The document that a part cites, if its name can stand in the grammar."""
    source = evidence[0].source if evidence else ""
    return source if _DOCUMENT_ID.fullmatch(source) else None
