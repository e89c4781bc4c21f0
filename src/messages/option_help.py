"""What an options Struct or the experiment file takes: for help pages, docs and editors.

``describe_options`` gives the rows that ``crucible stages NAME`` prints; the schemas let an editor check and
complete an experiment file. All of it is read off the Structs, so it cannot disagree with the decoder.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import msgspec.inspect as mi

from .base import Message
from .experiment import Experiment
from .shapes import Field, fields_of, is_null, type_text, unwrapped

__all__ = ["OptionDescription", "describe_options", "experiment_schema", "options_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class OptionDescription(Message, frozen=True):
    """One option as a reader sees it."""

    name: str
    """The key; inside a table ``split.train``, inside a list of tables ``members[].id``."""
    type: str
    """The type in plain words, for example ``int >= 1``."""
    required: bool
    default: str
    """The default as it would be written in the file; ``none`` when unset, empty when required."""
    description: str


def describe_options(type_: type[msgspec.Struct], *, nested: bool = True) -> list[OptionDescription]:
    """The options in declared order; with ``nested``, each table is followed by the keys inside it."""
    return _describe(type_, "", nested=nested, above=(type_,))


def _describe(
    type_: type[msgspec.Struct], prefix: str, *, nested: bool, above: tuple[type, ...]
) -> list[OptionDescription]:
    rows: list[OptionDescription] = []
    for field in fields_of(type_):
        rows.append(_row(field, prefix))
        inner, mark = _table_inside(field.type)
        if nested and inner is not None and inner not in above:
            rows += _describe(inner, f"{prefix}{field.name}{mark}.", nested=nested, above=(*above, inner))
    return rows


def _row(field: Field, prefix: str) -> OptionDescription:
    return OptionDescription(
        name=prefix + field.name,
        type=type_text(field.type),
        required=field.required,
        default="" if field.required else _default_text(field.default),
        description=field.description,
    )


def _table_inside(node: mi.Type) -> tuple[type[msgspec.Struct] | None, str]:
    """The Struct that a field holds, alone or as the items of a list, and the mark of the latter."""
    match unwrapped(node):
        case mi.StructType(cls=cls):
            return cls, ""
        case mi.ListType(item_type=each) | mi.VarTupleType(item_type=each):
            inner, mark = _table_inside(each)
            return inner, f"[]{mark}"
        case mi.UnionType(types=types):
            members = [member for member in types if not is_null(member)]
            return _table_inside(members[0]) if len(members) == 1 else (None, "")
    return None, ""


def _default_text(value: Any) -> str:
    """The default as TOML, on one line."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, msgspec.Struct):
        set_ = {
            field.name: getattr(value, attribute)
            for field, attribute in zip(fields_of(type(value)), value.__struct_fields__, strict=True)
            if field.required or getattr(value, attribute) != field.default
        }
        return _default_text(set_)
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {_default_text(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_default_text(inner) for inner in value)}]"
    if isinstance(value, set | frozenset):
        return _default_text(sorted(value))
    return str(msgspec.to_builtins(value))


def options_schema(type_: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an options Struct."""
    return {"$schema": _DIALECT, **_closed(msgspec.json.schema(type_))}


def experiment_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the experiment file."""
    return {
        "$schema": _DIALECT,
        "title": "Crucible experiment",
        "description": "A declarative LLM experiment, as TOML or JSON. Older spellings of some values are"
        " accepted too and are not listed here.",
        **_closed(msgspec.json.schema(Experiment)),
    }


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as plain JSON data, unknown keys refused in every object, as the decoder does."""
    plain: dict[str, Any] = json.loads(msgspec.json.encode(schema))
    for definition in plain.get("$defs", {}).values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return plain
