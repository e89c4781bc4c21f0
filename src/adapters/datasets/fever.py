"""Loader of claims in the FEVER format: a claims file joined with wiki pages into prompts as it is read.

Without pages only the task ``label`` can be made, which asks what the claim alone lets one say. Passages are
whole pages, never the gold sentences alone, which would give the answer away. ``convert_fever`` writes the
same rows to a file. Left to neither: downloading.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from ...messages.errors import DatasetError
from ...messages.experiment import DatasetRef
from .claim_prompts import PAGES, ClaimRecord, EvidenceSet, claim_row, row_label
from .fever_records import FeverClaim, WikiPages, read_fever_claim
from .indexed import IndexedDataset, ScannedRow, open_indexed
from .jsonl import JsonlSource
from .options import RowOptions, resolve_path
from .rows import RowError

__all__ = ["FeverLoader", "FeverOptions", "FeverSource", "FeverTask"]

Key = Annotated[str, Meta(min_length=1)]
FeverTask = Literal["extract", "verify", "label"]
NOWHERE = "not enough info, so no page"
LONGEST_LINE = 16 * 1024 * 1024
_LABEL_PROMPT = """\
You judge claims by what is known.

Claim: {}

Task:
Answer supports if the claim is true, refutes if it is false, and not enough evidence if that cannot be said.

"""


class FeverOptions(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the ``fever`` loader."""

    claims: Annotated[Key, Meta(description="Claims file, one object a line.")]
    wiki: Annotated[
        Key | None, Meta(description="Folder of wiki pages, files of one page a line; needed but for label.")
    ] = None
    task: Annotated[
        FeverTask,
        Meta(description="extract: find claim and evidence. verify: the claim is given. label: claim alone."),
    ] = "verify"
    source: Annotated[Key, Meta(description="Name of the collection; prefix of the ids.")] = "fever"
    max_line_bytes: Annotated[int, Meta(ge=1024, le=2**30, description="Longest line of all files.")] = (
        LONGEST_LINE
    )

    def __post_init__(self) -> None:
        """Refuse a task without what it needs."""
        super().__post_init__()
        if self.wiki is None and self.task != "label":
            raise ValueError(
                f"task {self.task!r} needs `wiki`, the folder of pages; without it only 'label' works"
            )


class FeverSource:
    """Rows of a claims file and its pages; a place is a byte offset in the claims file.

    In the tasks with a passage a claim that points at no page is no row; ``left_out`` counts them.
    """

    def __init__(
        self,
        claims: Path,
        wiki: Path | None,
        *,
        task: FeverTask = "verify",
        source: str = "fever",
        license_name: str | None = None,
        max_line_bytes: int = LONGEST_LINE,
    ) -> None:
        self._task, self._source, self._license = task, source, license_name
        self.left_out: Counter[str] = Counter()
        self._claims = JsonlSource(claims, max_line_bytes=max_line_bytes)
        self._pages: WikiPages | None = None
        try:
            if task != "label":
                if wiki is None:
                    raise DatasetError(f"the task {task} needs a folder of wiki pages", source=str(claims))
                wanted = _cited(claims, max_line_bytes)
                self._pages = WikiPages(wiki, wanted, max_line_bytes=max_line_bytes)
        except BaseException:
            self._claims.close()
            raise

    @property
    def name(self) -> str:
        """The path of the claims file."""
        return self._claims.name

    @property
    def sources(self) -> tuple[str, ...]:
        """Claims file and all files of pages."""
        return (self._claims.name, *(self._pages.names if self._pages else ()))

    @property
    def documents(self) -> int:
        """Pages that claims point at and that are there."""
        return len(self._pages) if self._pages else 0

    @property
    def texts_changed(self) -> int:
        """Sentences of these pages that were set right."""
        return self._pages.texts_changed if self._pages else 0

    def scan(self) -> Iterator[ScannedRow]:
        """One row per claim that the task can use."""
        for scanned in self._claims.scan():
            if scanned.row is None:
                yield scanned
                continue
            try:
                claim = read_fever_claim(scanned.row)
                if self._pages is not None and not claim.sets:
                    self.left_out[NOWHERE] += 1
                    continue
                yield ScannedRow(scanned.place, scanned.line, self._row(claim))
            except RowError as error:
                yield ScannedRow(scanned.place, scanned.line, None, error)

    def row_at(self, place: int) -> dict[str, Any]:
        """The row of the claim at byte ``place``."""
        return self._row(read_fever_claim(self._claims.row_at(place)))

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into one of the files."""
        self._claims.check_unchanged()
        if self._pages is not None:
            self._pages.check_unchanged()

    def sha256(self) -> str:
        """Of the claims file; with pages, of all files' hashes in hexadecimal, claims first."""
        claims = self._claims.sha256()
        if self._pages is None:
            return claims
        return hashlib.sha256("".join((claims, *self._pages.hashes())).encode()).hexdigest()

    def close(self) -> None:
        """Close all files. Idempotent."""
        self._claims.close()
        if self._pages is not None:
            self._pages.close()

    def _row(self, claim: FeverClaim) -> dict[str, Any]:
        record = _record(claim)
        if self._pages is None or self._task == "label":
            return self._label_row(record)
        for page in record.cited:
            if page not in self._pages:
                raise RowError(f"page {page!r} is not in {self._pages.folder}", "evidence")
        documents = [self._pages.document(page) for page in record.cited]
        sizes = {document.id: document.sentences for document in documents}
        for each in record.evidence:
            for index in each.sentences:
                sentences = sizes[each.document_id]
                if index >= len(sentences) or not sentences[index]:
                    raise RowError(f"page {each.document_id!r} has no sentence {index}", "evidence")
        return claim_row(
            self._task,
            record,
            documents,
            source=self._source,
            license_name=self._license,
            kind=PAGES,
        )

    def _label_row(self, record: ClaimRecord) -> dict[str, Any]:
        label = row_label(record)
        metadata = {
            "source": self._source,
            "task": "label",
            "claim_id": record.id,
            "doc_ids": list(record.cited),
            "label": label,
            **({} if self._license is None else {"license": self._license}),
        }
        return {
            "id": f"{self._source}_{record.id}",
            "prompt": _LABEL_PROMPT.format(record.text),
            "completion": label.replace("_", " "),
            "metadata": metadata,
        }


def _cited(claims: Path, max_line_bytes: int) -> set[str]:
    """All pages that usable claims point at."""
    reader = JsonlSource(claims, max_line_bytes=max_line_bytes)
    found: set[str] = set()
    try:
        for scanned in reader.scan():
            if scanned.row is not None:
                try:
                    found.update(read_fever_claim(scanned.row).pages)
                except RowError:
                    continue  # told when the rows are made
    finally:
        reader.close()
    return found


def _record(claim: FeverClaim) -> ClaimRecord:
    """A set over several pages becomes one evidence set for each of them; equal ones count once."""
    assert claim.label is not None or not claim.sets
    parts = {(page, sentences) for each in claim.sets for page, sentences in each}
    evidence = tuple(
        EvidenceSet(page, sentences, claim.label) for page, sentences in sorted(parts) if claim.label
    )
    return ClaimRecord(claim.id, claim.text, evidence, claim.pages)


class FeverLoader:
    """Implements ``ports.DatasetLoader``."""

    Options: ClassVar[type[msgspec.Struct]] = FeverOptions

    def open(self, ref: DatasetRef, options: FeverOptions, *, seed: int, base: Path) -> IndexedDataset:
        """Scan all files. Raises DatasetError."""
        source = FeverSource(
            resolve_path(options.claims, base, kind="claims"),
            None if options.wiki is None else resolve_folder(options.wiki, base),
            task=options.task,
            source=options.source,
            max_line_bytes=options.max_line_bytes,
        )
        return open_indexed(source, ref, options, seed=seed)


def resolve_folder(path: str, base: Path) -> Path:
    """The folder ``path`` below ``base`` if it is there, else below the working folder; DatasetError."""
    found = next((each for each in (base / path, Path(path)) if each.is_dir()), None)
    if found is None:
        raise DatasetError(f"no such folder of wiki pages (looked in {base} and {Path.cwd()})", source=path)
    return found
