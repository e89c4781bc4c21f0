"""Types as the decoder and the help pages see them: fields of a Struct, and a type in plain words.

A thin layer over ``msgspec.inspect`` that adds two things which it loses: the order in which the choices
of a Literal were written, and whether NaN and infinity are allowed (``Meta(extra={"finite": False})``).
"""

from __future__ import annotations

import functools
import typing
from typing import Any

import msgspec
import msgspec.inspect as mi

from .type_tables import build

__all__ = [
    "Field",
    "choices_text",
    "fields_of",
    "is_null",
    "shape_of",
    "type_text",
    "unwrapped",
]

Order = dict[frozenset[Any], tuple[Any, ...]]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a table."""

    name: str
    """The key as it is written in a document."""
    type: mi.Type
    required: bool
    default: Any
    """The default value; ``msgspec.NODEFAULT`` where the key is required."""
    description: str


@functools.cache
def fields_of(cls: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields of a Struct in declared order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    info = mi.type_info(cls)
    assert isinstance(info, mi.StructType)
    return tuple(_field(raw, hints.get(raw.name)) for raw in info.fields)


def _field(raw: mi.Field, hint: Any) -> Field:
    default = raw.default if raw.default_factory is msgspec.NODEFAULT else raw.default_factory()
    return Field(
        name=raw.encode_name,
        type=_in_order(raw.type, _orders(hint)),
        required=raw.required,
        default=default,
        description=_description(raw.type),
    )


def shape_of(type_: Any) -> mi.Type:
    """The type as a tree; Struct nodes are opened with ``fields_of``."""
    build(type_)  # which looking at it would begin, too
    return _in_order(mi.type_info(type_), _orders(type_))


def _orders(hint: Any) -> Order:
    """All Literals inside a type hint, by the set of their values."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return {}
    hint = getattr(hint, "__value__", hint)
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return {frozenset(arguments): arguments}
    found: Order = {}
    for argument in arguments:
        found |= _orders(argument)
    return found


def _in_order(node: mi.Type, orders: Order) -> mi.Type:
    match node:
        case mi.LiteralType(values=values):
            return mi.LiteralType(values=orders.get(frozenset(values), tuple(values)))
        case mi.Metadata(type=inner):
            return msgspec.structs.replace(node, type=_in_order(inner, orders))
        case mi.UnionType(types=types):
            return mi.UnionType(types=tuple(_in_order(each, orders) for each in types))
        case mi.TupleType(item_types=types):
            return mi.TupleType(item_types=tuple(_in_order(each, orders) for each in types))
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
            return msgspec.structs.replace(node, item_type=_in_order(node.item_type, orders))
        case mi.DictType(key_type=key, value_type=value):
            return msgspec.structs.replace(
                node, key_type=_in_order(key, orders), value_type=_in_order(value, orders)
            )
    return node


def _description(node: mi.Type) -> str:
    if isinstance(node, mi.Metadata):
        text = (node.extra_json_schema or {}).get("description")
        return str(text) if text else _description(node.type)
    return ""


def unwrapped(node: mi.Type) -> mi.Type:
    """The type without its metadata."""
    while isinstance(node, mi.Metadata):
        node = node.type
    return node


def is_null(node: mi.Type) -> bool:
    """Whether the type is None."""
    return isinstance(unwrapped(node), mi.NoneType)


def choices_text(values: typing.Iterable[Any]) -> str:
    """``'a', 'b', 3``: the choices as errors and help pages list them."""
    return ", ".join(repr(value) for value in values)


def type_text(node: mi.Type, *, null: bool = True) -> str:
    """The type in plain words: ``int >= 1``, ``one of 'a', 'b'``, ``list of str``, ``table``.

    ``null`` says whether ``or null`` is named for optional values; errors leave it out.
    """
    match unwrapped(node):
        case mi.IntType() as number:
            return "int" + _bounds_text(number)
        case mi.FloatType() as number:
            return "float" + _bounds_text(number)
        case mi.StrType() as text:
            return _str_text(text)
        case mi.LiteralType(values=values):
            return choices_text(values) if len(values) == 1 else f"one of {choices_text(values)}"
        case mi.EnumType(cls=cls):
            return f"one of {choices_text(member.value for member in cls)}"
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType() as many:
            return f"list of {type_text(many.item_type)}{_length_text(many, 'item')}"
        case mi.TupleType(item_types=types):
            return f"list [{', '.join(type_text(each) for each in types)}]"
        case mi.DictType() as table:
            return _dict_text(table) + _length_text(table, "key")
        case mi.UnionType(types=types):
            kept = types if null else [each for each in types if not is_null(each)]
            return " or ".join(type_text(each) for each in kept)
        case other:
            return _PLAIN.get(type(other), type(other).__name__.removesuffix("Type").lower())


_PLAIN: dict[type[mi.Type], str] = {
    mi.BoolType: "bool",
    mi.NoneType: "null",
    mi.AnyType: "any value",
    mi.StructType: "table",
}


def _bounds_text(node: mi.IntType | mi.FloatType) -> str:
    named = ((">=", node.ge), (">", node.gt), ("<=", node.le), ("<", node.lt))
    bounds = [f"{sign} {_plain(bound)}" for sign, bound in named if bound is not None]
    if node.multiple_of is not None:
        bounds.append(f"a multiple of {_plain(node.multiple_of)}")
    return f" {' and '.join(bounds)}" if bounds else ""


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(number)


def _str_text(node: mi.StrType) -> str:
    if node.min_length == 1 and node.max_length is None:
        text = "non-empty str"
    else:
        text = "str" + _length_text(node, "character")
    return f"{text} matching {node.pattern}" if node.pattern is not None else text


def _dict_text(node: mi.DictType) -> str:
    value = unwrapped(node.value_type)
    return "table" if isinstance(value, mi.AnyType) else f"table of {type_text(value)}"


def _length_text(node: Any, unit: str) -> str:
    least, most = node.min_length, node.max_length
    if least is not None and most is not None:
        return f" ({least} to {most} {unit}s)"
    word, bound = ("at least", least) if least is not None else ("at most", most)
    return f" ({word} {bound} {unit}{'' if bound == 1 else 's'})" if bound is not None else ""
