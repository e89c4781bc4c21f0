"""Options that all loaders share; each loader adds its own.

Decoded strictly by the registry, so a loader only ever sees valid options. Rules that need the rows
(which keys are there, whether a split stays empty) are checked when the data set is opened.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...messages.errors import DatasetError
from .template import parse_template

__all__ = ["FileOptions", "RowOptions", "SplitOptions", "resolve_path"]

DEFAULT_INPUT_KEY = "prompt"
DEFAULT_OUTPUT_KEY = "completion"
DEFAULT_ID_KEY = "id"

Key = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class SplitOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows are dealt to train, validation and test. With no share given: 0.8, 0.1, 0.1."""

    train: Annotated[Share | None, Meta(description="Share of the training rows.")] = None
    validation: Annotated[Share | None, Meta(description="Share of the validation rows.")] = None
    test: Annotated[Share | None, Meta(description="Share of the test rows.")] = None
    group_by: Annotated[
        Key | None, Meta(description="Rows that share a value of this key stay in one split.")
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Seed of the split alone; default: the experiment's seed."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse shares that do not add up to 1."""
        if not math.isclose(sum(self.shares()), 1.0, abs_tol=1e-6):
            raise ValueError(f"the shares of the splits must add up to 1, not {sum(self.shares()):g}")

    def shares(self) -> tuple[float, float, float]:
        """Shares of train, validation and test; a share that is left out is 0 once another is given."""
        given = (self.train, self.validation, self.test)
        if all(share is None for share in given):
            return (0.8, 0.1, 0.1)
        return (self.train or 0.0, self.validation or 0.0, self.test or 0.0)


class RowOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys of a row mean what, how many bad rows are tolerated, how rows are split."""

    input_key: Annotated[Key, Meta(description="Key of the prompt; dots reach into objects.")] = (
        DEFAULT_INPUT_KEY
    )
    output_key: Annotated[
        Key, Meta(description="Key of the gold output; may be absent from rows while it has its default.")
    ] = DEFAULT_OUTPUT_KEY
    template: Annotated[
        Key | None,
        Meta(description="The prompt, with {key} for values of the row; then input_key is not read."),
    ] = None
    id_key: Annotated[
        Key,
        Meta(description="Key of the id; without it `metadata.claim_id`, then `<data set>_<line>` is used."),
    ] = DEFAULT_ID_KEY
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Use the first n good rows.")] = None
    split: Annotated[SplitOptions | None, Meta(description="Deal rows to train, validation, test.")] = None
    split_key: Annotated[Key | None, Meta(description="Key that names the split of each row.")] = None
    group_by: Annotated[
        Key | None,
        Meta(description="Key of the clusters that statistics respect; default: split.group_by."),
    ] = None
    max_bad_rows: Annotated[int, Meta(ge=0, description="More unusable rows than this stop the run.")] = 0

    def __post_init__(self) -> None:
        """Refuse two answers to one question, and what is no template."""
        if self.split is not None and self.split_key is not None:
            raise ValueError("give either `split` or `split_key`, not both")
        if self.template is not None:
            try:
                keys = parse_template(self.template).keys
            except ValueError as error:
                raise ValueError(f"template: {error}") from None
            if self.output_key in keys:
                shown = f"{{{self.output_key}}}"
                raise ValueError(
                    f"template: {shown} is the gold output, which would tell the model the answer"
                )

    @property
    def split_group_by(self) -> str | None:
        """The key that keeps rows together when they are split."""
        return self.split.group_by if self.split is not None else None

    @property
    def cluster_by(self) -> str | None:
        """The key that clusters rows for statistics."""
        return self.group_by or self.split_group_by


class FileOptions(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a loader that reads one file."""

    path: Annotated[
        Key, Meta(description="The file; relative paths count from the experiment file, then from here.")
    ]
    max_line_bytes: Annotated[
        int, Meta(ge=1024, le=2**30, description="A longer line is a bad row; it bounds memory.")
    ] = 16 * 1024 * 1024


def resolve_path(path: str, base: Path, *, kind: Literal["data", "claims", "corpus"] = "data") -> Path:
    """The file ``path`` below ``base`` if it is there, else below the working folder.

    Raises DatasetError when there is no such file, or when it is not a regular file.
    """
    given = Path(path)
    try:
        found = base / given if (base / given).exists() else given
        if not found.exists():
            looked = f" (looked in {base} and {Path.cwd()})" if not given.is_absolute() else ""
            raise DatasetError(f"no such {kind} file{looked}", source=path)
        if found.is_dir():
            raise DatasetError(f"is a folder, not a {kind} file", source=str(found))
        if not found.is_file():
            raise DatasetError(f"is not a regular {kind} file", source=str(found))
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", source=path) from None
    return found
