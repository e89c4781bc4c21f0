"""Claims, relations, the diagnostics of a parsed answer, and structured narrative objects."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Message

__all__ = [
    "Claim",
    "ClaimDocument",
    "Diagnostic",
    "Evidence",
    "PassageDocument",
    "Relation",
    "RelationLabel",
    "Sno",
]

RelationLabel = Literal["supports", "refutes"]


class Claim(Message, frozen=True):
    """``CLAIM[c2] (Document 12): text``; ``id`` is lower-case, ``document_id`` None when not cited."""

    id: str
    text: str
    document_id: str | None = None
    line: int = 0


class Relation(Message, frozen=True):
    """``RELATION: source label target``; ``label`` is normalised (contradicts, contrasts -> refutes)."""

    source: str
    label: RelationLabel
    target: str
    raw_label: str = ""
    line: int = 0


class Diagnostic(Message, frozen=True):
    """Something in an answer that the grammar does not allow."""

    line: int
    code: Literal[
        "unparsed_line",
        "duplicate_claim",
        "missing_c1",
        "non_consecutive_ids",
        "dangling_relation",
        "self_relation",
        "duplicate_relation",
        "empty_claim",
        "no_relation",
        "no_claim",
    ]
    message: str


class ClaimDocument(Message, frozen=True):
    """A parsed answer: every claim in order (duplicates kept), every relation, every diagnostic."""

    claims: tuple[Claim, ...] = ()
    relations: tuple[Relation, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


class PassageDocument(Message, frozen=True):
    """A document of a prompt's passage, cut into sentences."""

    id: str
    title: str
    sentences: tuple[str, ...]


Unit = Annotated[float, Meta(ge=0, le=1)]


class Evidence(Message, frozen=True):
    """What speaks for a claim: where it stands, what it says, how far it can be trusted."""

    source: Annotated[str, Meta(min_length=1)]
    content: str = ""
    validity: Unit = 1.0
    relevance: Unit = 1.0


class Sno(Message, frozen=True):
    """Structured narrative object: one claim with its evidence and a confidence in it."""

    id: Annotated[str, Meta(min_length=1)]
    claim: Annotated[str, Meta(min_length=1)]
    evidence: tuple[Evidence, ...] = ()
    confidence: Unit = 0.5
    metadata: dict[str, Any] = field(default_factory=dict)
