"""Reads records of the SciFact format: claims with evidence pointers, and the documents they point into.

Strict on purpose: a label that is not known is an error and never counts as support, and evidence must point
at a sentence that is there. Used by the ``scifact`` source.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import Any

from ...messages.claims import PassageDocument, RelationLabel
from ...messages.errors import DatasetError, near_match
from .claim_prompts import ClaimRecord, EvidenceSet, clean
from .json_rows import decode_row
from .lines import LineFile
from .rows import RowError

__all__ = ["Corpus", "read_claim", "required"]

_LABELS: dict[str, RelationLabel] = {
    "SUPPORT": "supports",
    "SUPPORTS": "supports",
    "REFUTE": "refutes",
    "REFUTES": "refutes",
    "CONTRADICT": "refutes",
    "CONTRADICTS": "refutes",
}
_DOCUMENT_ID = re.compile(r"[^\s():]{1,100}")


class Corpus:
    """The documents of one file, found by id. Keeps the ids and places in memory, not the texts."""

    def __init__(self, path: Path, *, max_line_bytes: int) -> None:
        """Scan the file. Raises DatasetError for the first document that cannot be used."""
        self._file = LineFile(path, max_line_bytes=max_line_bytes)
        self._numbers: dict[str, int] = {}
        self._offsets, self._lines = array("Q"), array("I")
        self.texts_changed = 0
        try:
            self._scan()
        except BaseException:
            self._file.close()
            raise

    @property
    def name(self) -> str:
        """The path."""
        return str(self._file.path)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self._offsets)

    def __contains__(self, document_id: str) -> bool:
        """Whether there is such a document."""
        return document_id in self._numbers

    def document(self, document_id: str) -> PassageDocument:
        """The document, its texts on one line each. KeyError when there is none."""
        number = self._numbers[document_id]
        return _document(decode_row(self._file.line_at(self._offsets[number])))

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into the file."""
        self._file.check_unchanged()

    def sha256(self) -> str:
        """Of the file's bytes."""
        return self._file.sha256()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _scan(self) -> None:
        for line in self._file.lines():
            if line.data is not None and line.data.isspace():
                continue
            try:
                if line.data is None:
                    raise RowError("the line is longer than max_line_bytes")
                row = decode_row(line.data)
                self._add(_document(row), line.offset, line.number)
            except RowError as error:
                raise DatasetError(
                    error.problem, source=self.name, line=line.number, field=error.field
                ) from None
            texts = [row.get("title") or "", *row["abstract"]]
            self.texts_changed += sum(text != clean(text) for text in texts)
        if not self._numbers:
            raise DatasetError("holds no documents", source=self.name)

    def _add(self, document: PassageDocument, offset: int, line: int) -> None:
        earlier = self._numbers.setdefault(document.id, len(self._offsets))
        if earlier != len(self._offsets):
            raise RowError(f"{document.id!r} is already the id of line {self._lines[earlier]}", "doc_id")
        self._offsets.append(offset)
        self._lines.append(line)


def read_claim(row: dict[str, Any], corpus: Corpus) -> ClaimRecord:
    """Check a claim and its pointers against ``corpus``. Raises RowError."""
    claim_id = required(row, "id")
    if isinstance(claim_id, bool) or not isinstance(claim_id, (int, str)) or claim_id == "":
        raise RowError("expected a whole number or a string", "id")
    text = required(row, "claim")
    if not isinstance(text, str) or not text.strip():
        raise RowError("expected a text that is not empty", "claim")
    evidence = _evidence(required(row, "evidence"), corpus)
    cited = row.get("cited_doc_ids", [])
    if not isinstance(cited, list):
        raise RowError("expected a list of document ids", "cited_doc_ids")
    ids = {_document_id(item, "cited_doc_ids") for item in cited}
    ids.update(item.document_id for item in evidence)
    for document_id in ids:
        if document_id not in corpus:
            raise RowError(f"document {document_id!r} is not in {corpus.name}", "cited_doc_ids")
    return ClaimRecord(claim_id, clean(text), evidence, tuple(sorted(ids, key=_id_order)))


def _evidence(value: Any, corpus: Corpus) -> tuple[EvidenceSet, ...]:
    if not isinstance(value, dict):
        raise RowError("expected an object of document ids", "evidence")
    found: list[EvidenceSet] = []
    for key in sorted(value, key=_id_order):
        field = f"evidence.{key}"
        document_id = _document_id(key, "evidence")
        if document_id not in corpus:
            raise RowError(f"document {document_id!r} is not in {corpus.name}", field)
        if not isinstance(value[key], list):
            raise RowError("expected a list of evidence sets", field)
        size = len(corpus.document(document_id).sentences)
        found.extend(_evidence_set(document_id, item, size, field) for item in value[key])
    return tuple(found)


def _evidence_set(document_id: str, item: Any, size: int, field: str) -> EvidenceSet:
    if not isinstance(item, dict):
        raise RowError("expected an object with sentences and label", field)
    label = item.get("label")
    if label not in _LABELS:
        raise RowError(f"unknown label {label!r}; expected SUPPORT, REFUTE or CONTRADICT", f"{field}.label")
    indices = item.get("sentences")
    if not isinstance(indices, list) or not indices:
        raise RowError("expected a list of sentence numbers", f"{field}.sentences")
    for index in indices:
        if isinstance(index, bool) or not isinstance(index, int):
            raise RowError("expected whole numbers", f"{field}.sentences")
        if not 0 <= index < size:
            problem = f"no sentence {index}: the document has {size}, counted from 0"
            raise RowError(problem, f"{field}.sentences")
    return EvidenceSet(document_id, tuple(sorted(set(indices))), _LABELS[label])


def _document(row: dict[str, Any]) -> PassageDocument:
    document_id = _document_id(required(row, "doc_id"), "doc_id")
    title = row.get("title")
    if title is not None and not isinstance(title, str):
        raise RowError("expected a string", "title")
    sentences = required(row, "abstract")
    if not isinstance(sentences, list) or not all(isinstance(item, str) for item in sentences):
        raise RowError("expected a list of sentences", "abstract")
    if not any(item.strip() for item in sentences):
        raise RowError("the document has no text", "abstract")
    return PassageDocument(
        id=document_id, title=clean(title or ""), sentences=tuple(clean(item) for item in sentences)
    )


def _document_id(value: Any, field: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not _DOCUMENT_ID.fullmatch(str(value)):
        raise RowError("expected a document id: a number, or text without spaces, '(', ')' or ':'", field)
    return str(value)


def _id_order(document_id: str) -> tuple[int, int, str]:
    """Numbers by value, before all other ids."""
    numeric = document_id.isascii() and document_id.isdigit() and len(document_id) < 20
    return (0, int(document_id), document_id) if numeric else (1, 0, document_id)


def required(row: dict[str, Any], key: str) -> Any:
    """The value of a key that must be there. Raises RowError with a near match."""
    if key not in row:
        match = near_match(key, row)
        raise RowError("missing" + (f"; did you mean {match!r}?" if match else ""), key)
    return row[key]
