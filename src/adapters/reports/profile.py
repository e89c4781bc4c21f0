"""The tables of what ``data_checks`` counted: a row for each field, a row for each split, and the rest.

Called by the section on the data. A profile of another shape, as a plug-in may give, becomes a plain table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .document import Cell, Table
from .numbers import NONE, count, figure
from .stage_figures import figure_table
from .text import clip

__all__ = ["profile_tables"]

MAX_FIELDS = 40
MAX_TOP = 3
MAX_WORD = 60


def profile_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """All folded; report.json has the figures in full."""
    profile = metrics.get("profile")
    fields = profile.get("fields") if isinstance(profile, Mapping) else None
    if not isinstance(profile, Mapping) or not isinstance(fields, Mapping) or not fields:
        return [replace(figure_table("Profile and checks", metrics), folded=True)]
    rest = {name: value for name, value in metrics.items() if name != "profile"}
    rest |= {name: value for name, value in profile.items() if name not in ("fields", "splits", "methods")}
    tables = [_fields(fields, profile.get("methods") or {}), *_splits(profile.get("splits") or {})]
    return [*tables, replace(figure_table("Checks", rest), folded=True)]


def _fields(fields: Mapping[str, Mapping[str, Any]], methods: Mapping[str, str]) -> Table:
    rows = tuple(
        (
            Cell(clip(name, MAX_WORD)),
            Cell(", ".join(found.get("types") or ()) or NONE),
            Cell(_number(found.get("count"))),
            Cell(_number(found.get("missing"))),
            Cell(_number(found.get("distinct")), detail="" if found.get("distinct_exact", True) else "about"),
            _summary(found.get("chars")),
            _summary(found.get("words")),
            _summary(found.get("numbers") or found.get("items")),
            Cell(_top(found.get("top") or ())),
        )
        for name, found in list(fields.items())[:MAX_FIELDS]
    )
    heads = (
        "field",
        "type",
        "rows",
        "missing",
        "distinct",
        "characters",
        "words",
        "value or items",
        "most frequent",
    )
    notes = ["Median, below it least to greatest.", *(f"{name}: {how}." for name, how in methods.items())]
    if len(fields) > MAX_FIELDS:
        notes.append(f"{MAX_FIELDS} of {len(fields)} fields are shown; report.json has them all.")
    return Table(
        "Fields", heads, rows, frozenset(range(2, 8)), prose=frozenset({8}), note=" ".join(notes), folded=True
    )


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    rows = tuple(
        (
            Cell(clip(name, MAX_WORD)),
            Cell(_number(found.get("rows"))),
            _summary(found.get("input_chars")),
            _summary(found.get("reference_chars")),
        )
        for name, found in splits.items()
    )
    heads = ("split", "rows", "characters of the input", "of the reference")
    note = "Median, below it least to greatest."
    return [Table("Splits", heads, rows, frozenset({1, 2, 3}), note=note, folded=True)] if rows else []


def _number(value: Any) -> str:
    return count(value) if isinstance(value, int) else NONE


def _summary(found: Mapping[str, Any] | None) -> Cell:
    """The median and the range."""
    if not found:
        return Cell(NONE)
    low, high = _whole(found["min"]), _whole(found["max"])
    return Cell(_whole(found["p50"]), detail="" if low == high else f"{low} to {high}")


def _whole(value: float) -> str:
    return count(int(value)) if value == int(value) else figure(value)


def _top(values: Sequence[Mapping[str, Any]]) -> str:
    shown = "; ".join(
        f"{clip(str(each['value']), MAX_WORD)} ({count(each['count'])})" for each in values[:MAX_TOP]
    )
    return f"{shown}; …" if len(values) > MAX_TOP else shown
