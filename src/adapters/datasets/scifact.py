"""Loader of claims in the SciFact format: a claims file joined with its corpus into prompts as it is read.

``convert_scifact`` writes the same rows to a file. Left to neither: downloading the corpus.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from ...messages.experiment import DatasetRef
from .claim_prompts import ClaimRecord, Task, claim_row, shuffled
from .claim_records import Corpus, read_claim
from .indexed import IndexedDataset, ScannedRow, open_indexed
from .jsonl import JsonlSource
from .options import RowOptions, resolve_path
from .rows import RowError

__all__ = ["ScifactLoader", "ScifactOptions", "ScifactSource"]

Key = Annotated[str, Meta(min_length=1)]
NO_EVIDENCE = "no evidence"


class ScifactOptions(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the ``scifact`` loader."""

    claims: Annotated[Key, Meta(description="Claims file, one object a line.")]
    corpus: Annotated[Key, Meta(description="Corpus file, one document a line.")]
    task: Annotated[
        Task, Meta(description="extract: find claim and evidence. verify: the claim is given.")
    ] = "extract"
    shuffle_sentences: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Seed to put each document's sentences in a random order."),
    ] = None
    source: Annotated[Key, Meta(description="Name of the collection; prefix of the ids.")] = "scifact"
    max_line_bytes: Annotated[int, Meta(ge=1024, le=2**30, description="Longest line of both files.")] = (
        16 * 1024 * 1024
    )


class ScifactSource:
    """Rows of a claims file and its corpus; a place is a byte offset in the claims file.

    In the task ``extract`` a claim without evidence is no row; ``left_out`` counts them by reason.
    """

    def __init__(
        self,
        claims: Path,
        corpus: Path,
        *,
        task: Task = "extract",
        source: str = "scifact",
        license_name: str | None = None,
        shuffle_sentences: int | None = None,
        max_line_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._task, self._source, self._license = task, source, license_name
        self._shuffle_seed = shuffle_sentences
        self.left_out: Counter[str] = Counter()
        self._claims = JsonlSource(claims, max_line_bytes=max_line_bytes)
        try:
            self.corpus = Corpus(corpus, max_line_bytes=max_line_bytes)
        except BaseException:
            self._claims.close()
            raise

    @property
    def name(self) -> str:
        """The path of the claims file."""
        return self._claims.name

    @property
    def sources(self) -> tuple[str, ...]:
        """Claims file and corpus file."""
        return (self._claims.name, self.corpus.name)

    @property
    def documents(self) -> int:
        """Documents in the corpus."""
        return len(self.corpus)

    @property
    def texts_changed(self) -> int:
        """Titles and sentences of the corpus that were set right."""
        return self.corpus.texts_changed

    def scan(self) -> Iterator[ScannedRow]:
        """One row per claim that the task can use."""
        for scanned in self._claims.scan():
            if scanned.row is None:
                yield scanned
                continue
            try:
                record = read_claim(scanned.row, self.corpus)
                if self._task == "extract" and not record.evidence:
                    self.left_out[NO_EVIDENCE] += 1
                    continue
                yield ScannedRow(scanned.place, scanned.line, self._row(record))
            except RowError as error:
                yield ScannedRow(scanned.place, scanned.line, None, error)

    def row_at(self, place: int) -> dict[str, Any]:
        """The row of the claim at byte ``place``."""
        return self._row(read_claim(self._claims.row_at(place), self.corpus))

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into one of the files."""
        self._claims.check_unchanged()
        self.corpus.check_unchanged()

    def sha256(self) -> str:
        """Of the two files' hashes in hexadecimal, claims first."""
        return hashlib.sha256(f"{self._claims.sha256()}{self.corpus.sha256()}".encode()).hexdigest()

    def close(self) -> None:
        """Close both files. Idempotent."""
        self._claims.close()
        self.corpus.close()

    def _row(self, record: ClaimRecord) -> dict[str, Any]:
        ids = record.cited
        if self._task == "extract":
            with_evidence = {item.document_id for item in record.evidence}
            ids = tuple(item for item in ids if item in with_evidence)
        if not ids:
            raise RowError("the claim cites no document", "cited_doc_ids")
        documents = [self.corpus.document(item) for item in ids]
        if self._shuffle_seed is not None:
            record, documents = shuffled(record, documents, self._shuffle_seed)
        return claim_row(self._task, record, documents, source=self._source, license_name=self._license)


class ScifactLoader:
    """Implements ``ports.DatasetLoader``."""

    Options: ClassVar[type[msgspec.Struct]] = ScifactOptions

    def open(self, ref: DatasetRef, options: ScifactOptions, *, seed: int, base: Path) -> IndexedDataset:
        """Scan both files. Raises DatasetError."""
        source = ScifactSource(
            resolve_path(options.claims, base, kind="claims"),
            resolve_path(options.corpus, base, kind="corpus"),
            task=options.task,
            source=options.source,
            shuffle_sentences=options.shuffle_sentences,
            max_line_bytes=options.max_line_bytes,
        )
        return open_indexed(source, ref, options, seed=seed)
