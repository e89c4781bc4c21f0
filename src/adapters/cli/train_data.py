"""The data of ``crucible train``: a file of objects, or of rows with prompts and completions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...messages.claims import Sno
    from ...messages.experiment import DatasetRef, Experiment
    from ...training import PreparedDataset

__all__ = ["Shares", "answers_are_claims", "dataset_of"]

Shares = tuple[float, float, float]
LOOKED_AT = 64
"""Rows that show what kind of answers a file has."""


def dataset_of(
    file: Path, split: Shares, group_by: str | None, seed: int, keys: dict[str, str], options: dict[str, Any]
) -> PreparedDataset | DatasetRef:
    """Objects are prepared here; rows are read by the loader when the job runs.

    ``keys``: which keys of a row have prompt and completion, as the loaders name them; a file for which they
    are given has rows. ``options``: how objects are prepared.
    """
    from ...messages.experiment import DatasetRef
    from ...training.dataset import prepare_dataset, split_sizes

    split_sizes(1, split)  # refuses shares that are none
    snos = None if keys else _objects(file)
    if snos is not None:
        return prepare_dataset(snos, split=split, seed=seed, group_by=_group(group_by), **options)
    names = ("train", "validation", "test")
    dealt: dict[str, Any] = dict(zip(names, split, strict=True))
    if group_by is not None:
        dealt["group_by"] = group_by
    provider = "csv" if file.name.removesuffix(".gz").endswith((".csv", ".tsv")) else "jsonl"
    path = str(file.resolve())
    return DatasetRef(name=file.stem, provider=provider, options={"path": path, **keys, "split": dealt})


def answers_are_claims(job: Experiment) -> bool | None:
    """Whether the completions of the first rows are in the grammar of claims; None of prepared rows.

    Opens and scans the file, so what is wrong with it is told here. Raises DatasetError.
    """
    from ... import registry
    from ...messages.decoding import decode_struct
    from ...training.experiment import is_claims

    ref = job.dataset
    if ref is None or ref.provider == "memory":
        return None
    loader = registry.load("dataset provider", ref.provider)
    options = decode_struct(ref.options, loader.Options, path="dataset.options")
    dataset = loader().open(ref, options, seed=job.seed, base=Path())
    try:
        return is_claims([row.reference for row in dataset.read(0, min(LOOKED_AT, len(dataset)))])
    finally:
        dataset.close()


def _group(key: str | None) -> Callable[[Sno], Iterable[str]] | None:
    if key is None:
        return None
    if key == "source":
        return lambda sno: [item.source for item in sno.evidence]
    return lambda sno: [str(sno.metadata[key])] if key in sno.metadata else []


def _objects(file: Path) -> list[Sno] | None:
    """The objects of a file; None when its first line is a row of another kind. Raises DatasetError."""
    import msgspec

    from ...messages.claims import Sno
    from ...messages.decoding import collect
    from ...messages.errors import DatasetError

    found: list[Sno] = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = msgspec.json.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    if not found:
                        return None  # the loader says what is wrong with it
                    raise DatasetError(f"is not JSON: {error}", source=str(file), line=number) from None
                if not found and not (isinstance(row, dict) and "claim" in row and "prompt" not in row):
                    return None
                sno, problems = collect(row, Sno)
                if sno is None:
                    first = problems[0]
                    raise DatasetError(first.message, source=str(file), line=number, field=first.path)
                found.append(sno)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", source=str(file)) from None
    return found or None
