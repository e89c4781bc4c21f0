"""Writes claim sets of other formats as JSON Lines files that the ``jsonl`` loader reads.

For ``crucible data convert``. All or nothing: the file appears under its name when it is whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from ...messages.errors import DatasetError, OutputError
from .claim_prompts import Task
from .fever import FeverSource, FeverTask
from .rows import RowError
from .scifact import ScifactSource

__all__ = ["ConversionReport", "convert_fever", "convert_scifact"]


class ConversionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion wrote and what it left out."""

    output: str
    rows: int
    left_out: dict[str, int]
    """Records without a row, by reason."""
    labels: dict[str, int]
    """Rows by label."""
    evidence_sets: int
    first_sentence_share: float | None
    """Share of evidence sets that hold the first sentence of their document as it stands in the prompt."""
    documents: int
    """Documents in the corpus; of wiki pages those that claims point at."""
    texts_changed: int
    """Titles and sentences of the corpus with line breaks, double spaces or a grammar marker set right."""


def convert_scifact(
    claims: Path,
    corpus: Path,
    output: Path,
    *,
    task: Task = "extract",
    source: str = "scifact",
    license_name: str | None = None,
    shuffle_sentences: int | None = None,
    force: bool = False,
) -> ConversionReport:
    """Join a claims file with its corpus into rows of prompt, completion and metadata.

    ``shuffle_sentences`` is the seed of a random sentence order in each document. Raises DatasetError for the
    first record that cannot be used and OutputError when ``output`` is there (without ``force``) or cannot be
    written.
    """
    if output.resolve() in (claims.resolve(), corpus.resolve()):
        raise OutputError(f"{output}: is one of the files to read")
    rows = ScifactSource(
        claims,
        corpus,
        task=task,
        source=source,
        license_name=license_name,
        shuffle_sentences=shuffle_sentences,
    )
    return _converted(rows, output, force=force)


def convert_fever(
    claims: Path,
    wiki: Path | None,
    output: Path,
    *,
    task: FeverTask = "verify",
    source: str = "fever",
    license_name: str | None = None,
    force: bool = False,
) -> ConversionReport:
    """Join a claims file in FEVER format with its folder of wiki pages; raises as ``convert_scifact``."""
    read = {claims.resolve(), *([] if wiki is None else [path.resolve() for path in wiki.glob("*")])}
    if output.resolve() in read:
        raise OutputError(f"{output}: is one of the files to read")
    if wiki is not None and not wiki.is_dir():
        raise DatasetError("no such folder of wiki pages", source=str(wiki))
    rows = FeverSource(claims, wiki, task=task, source=source, license_name=license_name)
    return _converted(rows, output, force=force)


def _converted(rows: ScifactSource | FeverSource, output: Path, *, force: bool) -> ConversionReport:
    counts = _Counts()
    try:
        with _whole_file(output, force=force) as file:
            for row in _rows(rows):
                file.write(msgspec.json.encode(row) + b"\n")
                counts.add(row["metadata"])
    finally:
        rows.close()
    return ConversionReport(
        output=str(output),
        rows=sum(counts.labels.values()),
        left_out=dict(rows.left_out),
        labels=dict(sorted(counts.labels.items())),
        evidence_sets=counts.sets,
        first_sentence_share=counts.first / counts.sets if counts.sets else None,
        documents=rows.documents,
        texts_changed=rows.texts_changed,
    )


class _Counts:
    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self.sets = self.first = 0

    def add(self, metadata: dict[str, Any]) -> None:
        self.labels[metadata["label"]] += 1
        for sets in metadata.get("evidence", {}).values():
            self.sets += len(sets)
            self.first += sum(0 in indices for indices in sets)


def _rows(source: ScifactSource | FeverSource) -> Iterator[dict[str, Any]]:
    """The rows; raises DatasetError for the first bad one."""
    line_of_id: dict[str, int] = {}
    for scanned in source.scan():
        if scanned.row is None:
            problem = scanned.problem or RowError("no row")
            raise DatasetError(problem.problem, source=source.name, line=scanned.line, field=problem.field)
        earlier = line_of_id.setdefault(scanned.row["id"], scanned.line)
        if earlier != scanned.line:
            text = f"{scanned.row['metadata']['claim_id']!r} is already the id of line {earlier}"
            raise DatasetError(text, source=source.name, line=scanned.line, field="id")
        yield scanned.row
    if not line_of_id:
        raise DatasetError("no claim has evidence: nothing to convert", source=source.name)


@contextmanager
def _whole_file(output: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that takes its name when the block ends well, and is gone when it does not."""
    if output.exists() and not force:
        raise OutputError(f"{output}: already exists")
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(output)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
