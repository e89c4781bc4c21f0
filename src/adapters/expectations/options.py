"""Options of the data_checks stage: what is expected of every row and of the whole set."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from .patterns import compile_pattern

__all__ = ["DataCheckOptions", "FieldRule"]

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Range = tuple[float, float]
FieldType = Literal["string", "integer", "number", "boolean", "list", "object"]
Format = Literal["email", "url", "uuid", "iso_date", "iso_datetime", "ipv4", "hex_color"]
Order = Literal["increasing", "strictly_increasing", "decreasing", "strictly_decreasing"]


class FieldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of one field. Rules about values pass over rows in which the field is missing."""

    type: Annotated[FieldType | None, Meta(description="Type of every value.")] = None
    min_length: Annotated[Count | None, Meta(description="Fewest characters (or list items).")] = None
    max_length: Annotated[Count | None, Meta(description="Most characters (or list items).")] = None
    minimum: Annotated[float | None, Meta(description="Smallest number.")] = None
    maximum: Annotated[float | None, Meta(description="Largest number.")] = None
    values: Annotated[
        tuple[str | int | float | bool, ...] | None, Meta(description="The only values allowed.")
    ] = None
    pattern: Annotated[
        str | None, Meta(description="Regular expression found in every text of up to 10,000 characters.")
    ] = None
    format: Annotated[Format | None, Meta(description="A named form of text.")] = None
    unique: Annotated[bool, Meta(description="No value comes twice (by 64-bit hash).")] = False
    order: Annotated[Order | None, Meta(description="Order of the values over the rows.")] = None
    not_null_share: Annotated[Share | None, Meta(description="Smallest share of rows with a value.")] = None
    mean: Annotated[Range | None, Meta(description="Bounds of the mean number.")] = None
    mean_length: Annotated[Range | None, Meta(description="Bounds of the mean length.")] = None
    distinct: Annotated[
        tuple[Count, Count] | None, Meta(description="Bounds of the number of distinct values.")
    ] = None
    min_class_share: Annotated[
        Share | None, Meta(description="Smallest share of the rarest value (at most 1,000 values).")
    ] = None

    def __post_init__(self) -> None:
        """Refuse bounds the wrong way round and patterns that cannot be used."""
        bounds = {
            "min_length, max_length": (self.min_length, self.max_length),
            "minimum, maximum": (self.minimum, self.maximum),
            "mean": self.mean or (None, None),
            "mean_length": self.mean_length or (None, None),
            "distinct": self.distinct or (None, None),
        }
        for name, (low, high) in bounds.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}: lower bound {low:g} is above upper bound {high:g}")
        if self.pattern is not None:
            compile_pattern(self.pattern)


class DataCheckOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of data_checks.

    A field is ``input``, ``reference`` (also called ``output``), ``id``, ``group``, ``split``, or a key of
    the row; dots reach into objects.
    """

    required_fields: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...], Meta(description="Fields that every row must have.")
    ] = ("input", "output")
    fields: Annotated[dict[str, FieldRule], Meta(description="Rules for single fields, by name.")] = field(
        default_factory=dict
    )
    min_rows: Annotated[Count | None, Meta(description="Fewest rows.")] = None
    max_rows: Annotated[Count | None, Meta(description="Most rows.")] = None
    unique_inputs: Annotated[bool, Meta(description="No input comes twice.")] = False
    no_leaks: Annotated[bool, Meta(description="No input and no group stands in two splits.")] = False
    max_violations: Annotated[int, Meta(ge=0, description="More rows with issues than this end the run.")] = 0
    fail_fast: Annotated[bool, Meta(description="End at the first row too many, not after the last.")] = False
