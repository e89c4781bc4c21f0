"""Turns a decoded row into the parts of an Example, or says what is wrong with it. Pure.

Called for every row when a data set is opened, so that a bad row stops a run before anything is spent, and
again when rows are read.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from ...actors.choices import CHOICE_KEYS, lettered
from ...messages.errors import near_match
from .options import DEFAULT_ID_KEY, DEFAULT_OUTPUT_KEY, RowOptions
from .splits import SPLITS
from .template import parse_template

__all__ = ["ABSENT", "ParsedRow", "RowError", "RowParser", "lookup"]

SplitName = Literal["train", "validation", "test", "all"]

ABSENT: Any = object()
_SPLIT_ALIASES = {**{name: name for name in SPLITS}, "dev": "validation", "val": "validation", "all": "all"}
_CLAIM_ID = "metadata.claim_id"


class RowError(Exception):
    """Why a row cannot be used; ``field`` is the key it is about."""

    def __init__(self, problem: str, field: str | None = None) -> None:
        self.problem, self.field = problem, field
        super().__init__(problem)


class ParsedRow(msgspec.Struct, frozen=True, gc=False):
    """The parts of one row that its options name."""

    id: str
    input: str
    reference: str | None
    split: SplitName | None
    """None when the row does not name its split."""
    alternatives: tuple[str, ...] = ()
    """Other right answers, where the row has a list of them."""


def lookup(row: dict[str, Any], key: str) -> Any:
    """The value of ``key`` in ``row``; a key with dots reaches into objects. ABSENT when it is not there."""
    if key in row:
        return row[key]
    if "." not in key:
        return ABSENT
    value: Any = row
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


class RowParser:
    """Reads rows by the keys that the options name."""

    def __init__(self, options: RowOptions, *, name: str) -> None:
        self._options = options
        self._name = name
        self._template = None if options.template is None else parse_template(options.template)
        read = (options.input_key,) if self._template is None else ()
        self._own_keys = frozenset((*read, options.output_key, options.id_key))

    def parse(self, row: dict[str, Any], line: int) -> ParsedRow:
        """Check ``row``. Raises RowError."""
        id_, input_, answers = self._id(row, line), self._input(row), self._references(row)
        return ParsedRow(id_, input_, answers[0] if answers else None, self._split(row), tuple(answers[1:]))

    def group_values(self, row: dict[str, Any], key: str) -> list[str]:
        """Values of ``key`` that tie rows together: each item of a list, or the one value; none for null."""
        value = lookup(row, key)
        if value is ABSENT:
            raise RowError(f"missing{_hint(row, key)}", key)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        if any(isinstance(item, (dict, list, float)) for item in values):
            raise RowError("expected a string, a whole number or a list of them to group by", key)
        return [str(item) for item in values if item is not None and item != ""]

    def other_fields(self, row: dict[str, Any]) -> dict[str, Any]:
        """What is neither input nor reference nor id."""
        return {key: value for key, value in row.items() if key not in self._own_keys}

    def _id(self, row: dict[str, Any], line: int) -> str:
        key = self._options.id_key
        value = lookup(row, key)
        if value is ABSENT and key != DEFAULT_ID_KEY:
            raise RowError(f"missing{_hint(row, key)}", key)
        if value is ABSENT:
            key, value = _CLAIM_ID, lookup(row, _CLAIM_ID)
        if value is ABSENT:
            return f"{self._name}_{line}"
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise RowError(f"expected a string or a whole number, found {_kind(value)}", key)
        if value == "":
            raise RowError("the id is empty", key)
        return str(value)

    def _input(self, row: dict[str, Any]) -> str:
        if self._template is not None:
            return self._template.fill(lambda key: _filling(row, key))
        key = self._options.input_key
        value = lookup(row, key)
        if value is ABSENT:
            raise RowError(f"missing{_hint(row, key)}", key)
        text = _as_text(value)
        if text is None:
            raise RowError(f"expected a string, found {_kind(value)}", key)
        if not text or text.isspace():
            raise RowError("the text is empty", key)
        return text

    def _references(self, row: dict[str, Any]) -> list[str]:
        """The right answers, the first to learn from."""
        key = self._options.output_key
        value = lookup(row, key)
        if value is ABSENT:
            if key != DEFAULT_OUTPUT_KEY:
                raise RowError(f"missing{_hint(row, key)}", key)
            return []
        if value is None:
            return []
        if isinstance(value, list):
            return _several(value, key)
        text = _as_text(value)
        if text is None:
            raise RowError(f"expected a string, a list of strings or null, found {_kind(value)}", key)
        return [text]

    def _split(self, row: dict[str, Any]) -> SplitName | None:
        key = self._options.split_key
        if key is None:
            return None
        value = lookup(row, key)
        if value is ABSENT:
            raise RowError(f"missing{_hint(row, key)}", key)
        if not isinstance(value, str) or value not in _SPLIT_ALIASES:
            raise RowError(f"expected train, validation, test or all, found {_shown(value)}", key)
        return cast("SplitName", _SPLIT_ALIASES[value])


def _as_text(value: Any) -> str | None:
    """A string as it is, a number or boolean as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else None


def _several(values: list[Any], key: str) -> list[str]:
    """Each right answer once."""
    texts = [_as_text(value) for value in values]
    for value, text in zip(values, texts, strict=True):
        if text is None:
            raise RowError(f"expected a list of strings, found {_kind(value)} in it", key)
        if not text or text.isspace():
            raise RowError("one of the answers in the list is empty", key)
    return list(dict.fromkeys(text for text in texts if text is not None))


def _filling(row: dict[str, Any], key: str) -> str:
    """What stands in a prompt for ``{key}``; options as lines with letters."""
    value = lookup(row, key)
    if value is ABSENT:
        raise RowError(f"missing, but the template names it{_hint(row, key)}", key)
    text = _as_text(value)
    if text is None and key in CHOICE_KEYS:
        text = lettered(value)
    if text is None:
        raise RowError(
            f"expected a string, a number or a boolean for the template, found {_kind(value)}", key
        )
    return text


def _hint(row: dict[str, Any], key: str) -> str:
    owner: Any = row
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(owner, dict) or parent not in owner:
            last = parent
            break
        owner = owner[parent]
    if not isinstance(owner, dict):
        return f"; {'.'.join(parents)!r} is {_kind(owner)}, not an object"
    if match := near_match(last, owner):
        return f"; did you mean {match!r}?"
    keys = ", ".join(repr(known) for known in list(owner)[:8])
    return f"; the row has {keys or 'no keys'}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def _shown(value: Any) -> str:
    return repr(value[:40]) if isinstance(value, str) else _kind(value)
