"""Claims, relations and the diagnostics of a parsed answer."""

from typing import Literal

from .base import Message

__all__ = ["Claim", "ClaimDocument", "Diagnostic", "PassageDocument", "Relation", "RelationLabel"]

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
