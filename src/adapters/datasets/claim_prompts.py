"""Prompts and gold answers for claims with evidence in documents (SciFact: Wadden et al. 2020).

One wording for the converters and loaders of SciFact and FEVER. Two tasks: ``extract`` (find claim and
evidence in the passage) and ``verify`` (the claim is given; find the evidence, if there is any). Pure.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ...messages.claims import PassageDocument, RelationLabel

__all__ = [
    "ABSTRACTS",
    "PAGES",
    "ClaimRecord",
    "EvidenceSet",
    "Task",
    "claim_row",
    "clean",
    "completion_text",
    "prompt_text",
    "row_label",
    "shuffled",
]

Task = Literal["extract", "verify"]

ABSTRACTS, PAGES = "scientific abstracts", "encyclopedia pages"
"""What the documents are."""
_ROLE = "You read {} and write down a claim together with the sentences that decide it."
_EXTRACT = """\
1. State the main claim that the passage lets a reader judge, in one sentence, as CLAIM[c1]: <claim>.
2. Copy every piece of evidence on it from the passage, unchanged, as CLAIM[c#] (Document <id>): <text>.
3. After each piece of evidence write RELATION: <c#> supports c1 or RELATION: <c#> refutes c1."""
_VERIFY = """\
1. Repeat the claim given above the passage as CLAIM[c1]: <claim>.
2. Copy every piece of evidence on it from the passage, unchanged, as CLAIM[c#] (Document <id>): <text>.
3. After each piece of evidence write RELATION: <c#> supports c1 or RELATION: <c#> refutes c1.
4. If the passage holds no evidence for or against the claim, answer with the CLAIM[c1] line alone."""
_TASKS: dict[Task, str] = {"extract": _EXTRACT, "verify": _VERIFY}

_MARKER = re.compile(r"^(Passage|Task|Claim|Document\s+\S+?|CLAIM\s*\[[^\]]*\]|RELATION)\s*:", re.IGNORECASE)


class EvidenceSet(msgspec.Struct, frozen=True):
    """Sentences of one document that together support or refute a claim."""

    document_id: str
    sentences: tuple[int, ...]
    """Indices from 0, ascending."""
    label: RelationLabel


class ClaimRecord(msgspec.Struct, frozen=True):
    """One claim with all its evidence, in the order of the documents' ids."""

    id: int | str
    text: str
    evidence: tuple[EvidenceSet, ...]
    cited: tuple[str, ...]


def clean(text: str) -> str:
    """``text`` on one line, not beginning like a line of the prompt or answer grammar."""
    return _MARKER.sub(r"\1 -", " ".join(text.split()))


def prompt_text(
    task: Task, claim: str, documents: Sequence[PassageDocument], *, kind: str = ABSTRACTS
) -> str:
    """The prompt; ``claim`` shows only in ``verify``."""
    parts = [_ROLE.format(kind)]
    if task == "verify":
        parts.append(f"Claim: {claim}")
    passages = [
        f"{_header(document)}\n\n{' '.join(filter(None, document.sentences))}" for document in documents
    ]
    parts.append("Passage:\n" + "\n\n".join(passages))
    parts.append(f"Task:\n{_TASKS[task]}\n\n")
    return "\n\n".join(parts)


def completion_text(record: ClaimRecord, documents: Sequence[PassageDocument]) -> str:
    """The gold answer: the claim, then each evidence set with its relation to the claim."""
    sentences = {document.id: document.sentences for document in documents}
    lines = [f"CLAIM[c1]: {record.text}"]
    for number, evidence in enumerate(record.evidence, start=2):
        text = " ".join(sentences[evidence.document_id][index] for index in evidence.sentences)
        lines.append(f"CLAIM[c{number}] (Document {evidence.document_id}): {text}")
        lines.append(f"RELATION: c{number} {evidence.label} c1")
    return "\n".join(lines)


def row_label(record: ClaimRecord) -> str:
    """``supports``, ``refutes``, ``mixed`` or ``not_enough_evidence``."""
    labels = {evidence.label for evidence in record.evidence}
    if len(labels) > 1:
        return "mixed"
    return next(iter(labels), "not_enough_evidence")


def shuffled(
    record: ClaimRecord, documents: Sequence[PassageDocument], seed: int
) -> tuple[ClaimRecord, list[PassageDocument]]:
    """The same claim with the sentences of each document in a random order; evidence follows them.

    The order depends on ``seed`` and the document's id alone, so a document looks the same in every row.
    """
    orders = {document.id: _order(document, seed) for document in documents}
    moved = [
        msgspec.structs.replace(
            document, sentences=tuple(document.sentences[index] for index in orders[document.id])
        )
        for document in documents
    ]
    evidence = tuple(
        msgspec.structs.replace(
            item, sentences=tuple(sorted(orders[item.document_id].index(index) for index in item.sentences))
        )
        for item in record.evidence
    )
    return msgspec.structs.replace(record, evidence=evidence), moved


def _order(document: PassageDocument, seed: int) -> list[int]:
    order = list(range(len(document.sentences)))
    random.Random(f"crucible.sentences:{seed}:{document.id}").shuffle(order)
    return order


def _header(document: PassageDocument) -> str:
    return f"Document {document.id}: {document.title}".rstrip()


def claim_row(
    task: Task,
    record: ClaimRecord,
    documents: Sequence[PassageDocument],
    *,
    source: str,
    license_name: str | None,
    kind: str = ABSTRACTS,
) -> dict[str, Any]:
    """The row of a claim file: id, prompt, completion and metadata; ``kind`` says what documents are."""
    evidence: dict[str, list[list[int]]] = {}
    for item in record.evidence:
        evidence.setdefault(item.document_id, []).append(list(item.sentences))
    metadata: dict[str, Any] = {
        "source": source,
        "task": task,
        "claim_id": record.id,
        "doc_ids": [document.id for document in documents],
        "label": row_label(record),
        "evidence": evidence,
    }
    if license_name is not None:
        metadata["license"] = license_name
    return {
        "id": f"{source}_{record.id}",
        "prompt": prompt_text(task, record.text, documents, kind=kind),
        "completion": completion_text(record, documents),
        "metadata": metadata,
    }
