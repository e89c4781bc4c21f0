"""Data sets for training: objects or files in, rows with a split out.

Objects that share a group stay in one split. The sizes of the splits follow one rule, whatever the groups:
training gets the floor of its share (at least one row), validation the floor of its share, test the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from .. import registry
from ..adapters.datasets.grouping import Grouping
from ..adapters.datasets.splits import SPLITS, deal_groups
from ..messages.base import Message
from ..messages.claims import Sno
from ..messages.decoding import decode_struct
from ..messages.errors import InputError
from ..messages.experiment import DatasetRef
from .formats import Format, Text, sno_text, triplet_text

__all__ = [
    "Lineage",
    "PreparedDataset",
    "TrainingRow",
    "prepare_dataset",
    "prepare_source",
    "prepare_triplets",
    "split_sizes",
]

Group = Callable[[Sno], Iterable[str]]
Triplet = tuple[Sno, Sno, Sno]
SHARES = (0.8, 0.1, 0.1)


class TrainingRow(Message, frozen=True):
    """One row; the keys are those of a row of the ``memory`` loader."""

    id: str
    input: str
    output: str | None
    split: Literal["train", "validation", "test"]
    group: tuple[str, ...]
    metadata: dict[str, Any]


class Lineage(Message, frozen=True):
    """Where rows came from."""

    source: str
    sha256: str
    """Of the data set: of the file's bytes, of several files' hashes; empty for objects in memory."""
    transformations: tuple[str, ...]


class PreparedDataset(Message, frozen=True):
    """Rows, their number by split, and how they were made."""

    rows: tuple[TrainingRow, ...]
    format: str
    include_evidence: bool
    seed: int
    prepared_at: str
    lineage: tuple[Lineage, ...]

    @property
    def total(self) -> int:
        """Rows in all splits."""
        return len(self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by split; splits without rows too."""
        found = Counter(row.split for row in self.rows)
        return {split: found[split] for split in ("train", "validation", "test")}

    def of(self, split: str) -> tuple[TrainingRow, ...]:
        """The rows of one split, in order."""
        return tuple(row for row in self.rows if row.split == split)


def split_sizes(n: int, shares: Sequence[float]) -> tuple[int, int, int]:
    """Rows of train, validation and test; raises InputError for shares that are none."""
    if len(shares) != 3 or any(share < 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"split: expected three shares that add up to 1, got {tuple(shares)}")
    if n == 0:
        return 0, 0, 0
    train = max(1, int(n * shares[0] + 1e-9)) if shares[0] else 0
    validation = min(int(n * shares[1] + 1e-9), n - train)
    return train, validation, n - train - validation


def prepare_dataset(
    snos: Sequence[Sno | dict[str, Any]],
    *,
    format: Format = "dialectical",  # noqa: A002 - the word users of the method know
    split: Sequence[float] = SHARES,
    include_evidence: bool = True,
    seed: int = 0,
    group_by: Group | None = None,
) -> PreparedDataset:
    """Objects (or their JSON form) as prompts and completions, dealt by ``seed``.

    ``group_by`` gives the values that tie objects together, for example
    ``lambda sno: [item.source for item in sno.evidence]``. Raises InputError; ids must be unique.
    """
    known = [_sno(sno, number) for number, sno in enumerate(snos)]
    rows = [
        (
            sno.id,
            sno_text(sno, format, include_evidence=include_evidence),
            tuple(group_by(sno)) if group_by else (),
            {"confidence": sno.confidence, "claim": sno.claim, **sno.metadata},
        )
        for sno in known
    ]
    return _dealt(rows, format, include_evidence=include_evidence, split=split, seed=seed)


def prepare_triplets(
    triplets: Sequence[Triplet], *, split: Sequence[float] = SHARES, seed: int = 0
) -> PreparedDataset:
    """Thesis, antithesis and synthesis; triplets that share an object stay in one split."""
    rows = []
    for thesis, antithesis, synthesis in triplets:
        parts = {"thesis": thesis, "antithesis": antithesis, "synthesis": synthesis}
        metadata: dict[str, Any] = {f"{name}_id": part.id for name, part in parts.items()}
        metadata |= {f"{name}_confidence": part.confidence for name, part in parts.items()}
        group = tuple(part.id for part in parts.values())
        rows.append((synthesis.id, triplet_text(thesis, antithesis, synthesis), group, metadata))
    return _dealt(rows, "triplet", include_evidence=False, split=split, seed=seed)


def prepare_source(
    ref: DatasetRef, *, base: Path | None = None, split: Sequence[float] = SHARES, seed: int = 0
) -> PreparedDataset:
    """Rows of a real file through any loader (``jsonl``, ``csv``, ``scifact``, ``fever``, a plug-in).

    Rows without a reference are left out, and counted in the lineage. Raises InputError.
    """
    loader = registry.load("dataset provider", ref.provider)
    options = decode_struct(ref.options, loader.Options, path="dataset.options")
    dataset = loader().open(ref, options, seed=seed, base=base or Path.cwd())
    try:
        examples = dataset.read(0, len(dataset))
        facts = dataset.facts
    finally:
        dataset.close()
    kept = [example for example in examples if example.reference is not None]
    rows = [
        (
            example.id,
            Text(input=example.input, output=example.reference or ""),
            (example.group,) if example.group is not None else (),
            _metadata(example.fields),
        )
        for example in kept
    ]
    steps = [f"loaded by {ref.provider}"]
    if len(kept) < len(examples):
        steps.append(f"{len(examples) - len(kept)} rows without a reference left out")
    lineage = [
        Lineage(source=source, sha256=facts.sha256, transformations=tuple(steps))
        for source in facts.sources or (ref.name,)
    ]
    return _dealt(rows, ref.provider, include_evidence=True, split=split, seed=seed, lineage=lineage)


def _metadata(fields: dict[str, Any]) -> dict[str, Any]:
    """What a row has under this key; a text, as a column of a table has it, keeps the key as its name."""
    found = fields.get("metadata", {})
    return dict(found) if isinstance(found, dict) else {"metadata": found}


def _sno(given: Sno | dict[str, Any], number: int) -> Sno:
    return given if isinstance(given, Sno) else decode_struct(given, Sno, path=f"snos[{number}]")


def _dealt(
    rows: Sequence[tuple[str, Text, tuple[str, ...], dict[str, Any]]],
    format_: str,
    *,
    include_evidence: bool,
    split: Sequence[float],
    seed: int,
    lineage: Sequence[Lineage] = (),
) -> PreparedDataset:
    repeated = [id_ for id_, times in Counter(row[0] for row in rows).items() if times > 1]
    if repeated:
        raise InputError(f"two rows have the id {repeated[0]!r}: expected unique ids")
    grouping = Grouping()
    for _, _, group, _ in rows:
        grouping.add(group)
    sizes = split_sizes(len(rows), split)
    shares = [size / len(rows) for size in sizes] if rows else list(split)
    dealt = deal_groups(grouping.roots(), shares, seed)
    made = Lineage(source="objects in memory", sha256="", transformations=(f"format {format_}",))
    return PreparedDataset(
        rows=tuple(
            TrainingRow(
                id=id_,
                input=text.input,
                output=text.output,
                split=SPLITS[number],  # type: ignore[arg-type]  # one of the three names
                group=group,
                metadata=metadata,
            )
            for (id_, text, group, metadata), number in zip(rows, dealt, strict=True)
        ),
        format=format_,
        include_evidence=include_evidence,
        seed=seed,
        prepared_at=datetime.now(UTC).isoformat(timespec="seconds"),
        lineage=tuple(lineage) or (made,),
    )
