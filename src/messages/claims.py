"""Claims and relations, what is wrong with an answer, narrative objects, and what critics say of them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Message

__all__ = [
    "Challenge",
    "ChallengeType",
    "Claim",
    "ClaimDocument",
    "CriticConflict",
    "CriticReport",
    "CriticVerdict",
    "Diagnostic",
    "Evidence",
    "Improvement",
    "Origin",
    "PassageDocument",
    "Provenance",
    "Relation",
    "RelationLabel",
    "Severity",
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
Name = Annotated[str, Meta(min_length=1)]
Origin = Literal["proposer", "antagonist", "synthesizer", "external"]
Severity = Literal["high", "medium", "low"]
ChallengeType = Literal["contradiction", "evidence_gap", "scope", "logical", "alternative"]


class Evidence(Message, frozen=True):
    """What speaks for a claim: where it stands, what it says, how far it can be trusted.

    ``source`` is the id of a document (or a name of what is cited), ``sentences`` are positions in it from 0,
    empty when the whole of it is meant. Two items are the same evidence when these agree, whatever else
    differs.
    """

    source: Name
    content: str = ""
    validity: Unit = 1.0
    relevance: Unit = 1.0
    sentences: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    retrieval: Literal["manual", "search", "citation", "inference"] = "manual"


class Provenance(Message, frozen=True):
    """Where an object comes from. ``timestamp`` (ISO 8601) is given by the caller, who owns the clock."""

    origin: Origin
    parents: tuple[str, ...] = ()
    """Ids of the objects that it was made from."""
    generation: Annotated[int, Meta(ge=0)] = 0
    """The round of the dialectic, 0 for what was there before it."""
    transformation: str = ""
    """What was done, in words."""
    method: str = ""
    """Who did it: the model, or the rules of the offline fallback."""
    timestamp: str = ""
    content_sha256: str = ""
    """Of the claim and its evidence, by ``adapters.cns.sno.content_sha256``."""


class Sno(Message, frozen=True):
    """Structured narrative object: one claim with its evidence, its parts, and a confidence in it.

    A claim that is argued for by others holds them as ``children``; ``relations`` are between ids of the
    object and of all below it. Ids of claims that were read from answers are global: ``<example>/<claim>``.
    """

    id: Name
    claim: Name
    evidence: tuple[Evidence, ...] = ()
    confidence: Unit = 0.5
    provenance: Provenance | None = None
    children: tuple["Sno", ...] = ()
    relations: tuple[Relation, ...] = ()
    history: tuple[Provenance, ...] = ()
    """What it was before, oldest first."""
    metadata: dict[str, Any] = field(default_factory=dict)


class Challenge(Message, frozen=True):
    """An objection of the antagonist to one object."""

    id: Name
    target: Name
    """Id of the object."""
    type: ChallengeType
    description: str = ""
    severity: Severity = "medium"
    confidence: Unit = 0.5
    suggested_evidence: tuple[Evidence, ...] = ()
    """What speaks against the target, or what would settle the question."""
    resolution: Literal["pending", "accepted", "rejected", "partial"] = "pending"
    method: str = ""
    """Who objects: the model, or the rules of the offline fallback."""


class CriticReport(Message, frozen=True):
    """What one critic says of one object. ``score`` is None when there is nothing it could judge."""

    critic: Name
    score: Unit | None
    method: Name
    """Profile and formula, such as ``lexical: ...``; scores of two methods are not comparable."""
    issues: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    """The parts of the score, and what explains them."""


class CriticConflict(Message, frozen=True):
    """Two critics that disagree about one object."""

    first: str
    second: str
    difference: float


class Improvement(Message, frozen=True):
    """What would raise the verdict most: ``expected_gain`` is on the scale of the verdict's score."""

    critic: str
    action: str
    expected_gain: float


class CriticVerdict(Message, frozen=True):
    """The critics of one object taken together. ``score`` is None when none of them could judge."""

    score: Unit | None
    level: Literal["excellent", "good", "acceptable", "poor", "unacceptable", "undefined"]
    passed: bool
    method: Name
    reports: tuple[CriticReport, ...]
    weights: dict[str, float]
    """Those that counted, summing to 1."""
    band: tuple[float, float] | None = None
    """Least and greatest score of the critics that count: how far they spread, no confidence interval."""
    conflicts: tuple[CriticConflict, ...] = ()
    strongest: str | None = None
    """The critic with the greatest share in the score."""
    weakest: str | None = None
    """The critic with the lowest score."""
    plan: tuple[Improvement, ...] = ()
    """For every critic below the threshold, most gain first."""
