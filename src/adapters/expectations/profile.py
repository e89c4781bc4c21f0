"""The profile of a data set: for each field how many, how long, how varied; by split; repeated inputs.

Memory does not grow with the rows, except for 15 to 21 bytes for each distinct input and group.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from ...messages.records import Example
from ..datasets.hash_index import HashIndex
from .sketches import RESERVOIR_SIZE, DistinctSketch, Summary
from .values import FIELD_NAMES, as_number, is_missing

__all__ = ["FieldProfile", "Profile", "Seen", "SplitCrossings"]

MAX_FIELDS = 100
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
_MAX_DEPTH = 3
_MAX_TRACKED_VALUES = 50
_MAX_TRACKED_CHARS = 80
_TOP = 10
_SPLITS = ("train", "validation", "test", "all")
_METHODS = {
    "chars": "Unicode code points",
    "words": "runs of non-blank characters; means little in scripts that do not put blanks between words",
    "p50, p95": f"exact up to {RESERVOIR_SIZE:,} values, then from a uniform sample of that size (seed 0)",
    "distinct": "exact up to 1,023 values, then estimated from the least 64-bit hashes (about 3 % error)",
    "groups, repeated_inputs, in_two_splits": "by 64-bit hash",
}


class FieldProfile:
    """Figures of one field over the rows."""

    def __init__(self) -> None:
        self.present = 0
        self._types: Counter[str] = Counter()
        self._distinct = DistinctSketch()
        self._chars, self._words = Summary(), Summary()
        self._numbers, self._items = Summary(), Summary()
        self._values: Counter[str] | None = Counter()

    def add(self, value: Any) -> None:
        """Take in the value of one row that has it."""
        self.present += 1
        self._types[_type_name(value)] += 1
        text = value if isinstance(value, str) else _ENCODER.encode(value)
        self._distinct.add(text)
        if isinstance(value, str):
            self._chars.add(len(value))
            self._words.add(len(value.split()))
        elif isinstance(value, list):
            self._items.add(len(value))
        elif (number := as_number(value)) is not None:
            self._numbers.add(number)
        self._track(text)

    def report(self, rows: int) -> dict[str, Any]:
        """JSON-ready figures; ``rows`` is the number of all rows."""
        figures = {
            "chars": self._chars.report(),
            "words": self._words.report(),
            "numbers": self._numbers.report(),
            "items": self._items.report(),
        }
        result: dict[str, Any] = {
            "count": self.present,
            "missing": rows - self.present,
            "types": dict(sorted(self._types.items())),
            "distinct": self._distinct.count,
            "distinct_exact": self._distinct.exact,
            **{name: figure for name, figure in figures.items() if figure is not None},
        }
        if self._values and self._distinct.count < self.present:
            ordered = sorted(self._values.items(), key=lambda pair: (-pair[1], pair[0]))
            result["top"] = [{"value": value, "count": count} for value, count in ordered[:_TOP]]
        return result

    def _track(self, text: str) -> None:
        if self._values is None:
            return
        if len(text) > _MAX_TRACKED_CHARS:
            self._values = None
            return
        self._values[text] += 1
        if len(self._values) > _MAX_TRACKED_VALUES:
            self._values = None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What of an example came before it."""

    input_number: int | None
    """Number of the distinct input that it repeats, None when the input is new."""
    input_split: str
    """The split in which its input came first."""
    group_split: str
    """The split in which its group came first."""


class SplitCrossings:
    """Distinct texts, the split in which each came first, and how often one came in another split."""

    def __init__(self) -> None:
        self._texts = HashIndex()
        self._first_split = bytearray()
        self.crossings = 0

    def __len__(self) -> int:
        """Distinct texts."""
        return len(self._texts)

    def add(self, text: str, split: str) -> tuple[int | None, str]:
        """The number of ``text`` if it came before, else None; and the split in which it came first."""
        number = self._texts.add(text)
        if number is None:
            self._first_split.append(_SPLITS.index(split))
            return None, split
        first = _SPLITS[self._first_split[number]]
        self.crossings += first != split
        return number, first


class Profile:
    """Takes in examples one by one and reports on them all."""

    def __init__(self) -> None:
        self.rows = 0
        self.fields: dict[str, FieldProfile] = {name: FieldProfile() for name in ("input", "reference")}
        self._inputs, self._groups = SplitCrossings(), SplitCrossings()
        self._fields_left_out = False
        self._splits: dict[str, dict[str, Summary]] = {}
        self._split_rows: Counter[str] = Counter()

    def add(self, example: Example) -> Seen:
        """Take in one example and say what of it came before."""
        self.rows += 1
        for name, value in _fields(example):
            if is_missing(value):
                continue
            if (profile := self.fields.get(name)) is None:
                if len(self.fields) >= MAX_FIELDS:
                    self._fields_left_out = True
                    continue
                profile = self.fields[name] = FieldProfile()
            profile.add(value)
        self._add_split(example)
        number, input_split = self._inputs.add(example.input, example.split)
        group_split: str = example.split
        if example.group is not None:
            _, group_split = self._groups.add(example.group, example.split)
        return Seen(number, input_split, group_split)

    def report(self) -> dict[str, Any]:
        """JSON-ready."""
        fields = {name: profile.report(self.rows) for name, profile in self.fields.items()}
        cells = self.rows * len(fields)
        present = sum(profile.present for profile in self.fields.values())
        return {
            "rows": self.rows,
            "complete_share": present / cells if cells else None,
            "fields": fields,
            "fields_left_out": self._fields_left_out,
            "splits": {name: self._split_report(name) for name in _SPLITS if self._split_rows[name]},
            "groups": len(self._groups),
            "groups_in_two_splits": self._groups.crossings,
            "repeated_inputs": self.rows - len(self._inputs),
            "inputs_in_two_splits": self._inputs.crossings,
            "methods": dict(_METHODS),
        }

    def _add_split(self, example: Example) -> None:
        self._split_rows[example.split] += 1
        summaries = self._splits.get(example.split)
        if summaries is None:
            summaries = self._splits[example.split] = {"input": Summary(), "reference": Summary()}
        summaries["input"].add(len(example.input))
        if example.reference is not None:
            summaries["reference"].add(len(example.reference))

    def _split_report(self, name: str) -> dict[str, Any]:
        chars = {f"{part}_chars": summary.report() for part, summary in self._splits[name].items()}
        return {"rows": self._split_rows[name], **chars}


def _fields(example: Example) -> Iterator[tuple[str, Any]]:
    yield "input", example.input
    yield "reference", example.reference
    yield from _flat(example.fields, "", _MAX_DEPTH)


def _flat(fields: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Keys with dots and their values; objects below ``depth`` stay whole."""
    for key, value in fields.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth > 1:
            yield from _flat(value, f"{name}.", depth - 1)
        elif name not in FIELD_NAMES:
            yield name, value


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}
    return names.get(type(value), "other")
