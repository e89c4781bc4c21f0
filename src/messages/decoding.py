"""The strict decoder: builtin data (from TOML or JSON) into a Struct, with every problem at once.

Used for the experiment and for the options of every stage, backend, loader and adapter. It walks the data
beside the type and gathers problems; when there are none, ``msgspec.convert`` builds the value, so valid
data always gives what msgspec gives. msgspec alone was not enough: it stops at the first error.

Stricter than msgspec in four ways: unknown keys are always refused; NaN and infinity are refused unless the
field says ``Meta(extra={"finite": False})``; ``$`` in a pattern means the very end of the text; and free
values (``Any``) must be plain JSON data, so that what was decoded can be stored and read back unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as mi

from .errors import ExperimentError, Problem, near_match
from .paths import child, item
from .secret_keys import has_secret_segment, shown
from .shapes import Field, fields_of, is_null, shape_of, type_text, unwrapped

__all__ = ["collect", "decode_struct", "unknown_key"]

T = TypeVar("T")

_ARRAYS = (list, tuple, set, frozenset)
_ARRAY_TYPES = mi.ListType | mi.VarTupleType | mi.SetType | mi.FrozenSetType
_WHERE = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")


def decode_struct(value: Any, type_: type[T], *, path: str = "", source: str | None = None) -> T:
    """The value as ``type_``; raises ExperimentError with all problems, each at its path below ``path``."""
    decoded, problems = collect(value, type_, path)
    if problems:
        raise ExperimentError(problems, source)
    assert decoded is not None
    return decoded


def collect(value: Any, type_: type[T], path: str = "") -> tuple[T | None, list[Problem]]:
    """The decoded value and no problems, or None and all problems in document order."""
    problems = list(_check(value, shape_of(type_), path))
    if problems:
        return None, problems
    try:
        return msgspec.convert(value, type_), []
    except msgspec.ValidationError as error:
        return None, [_at_its_key(_from_msgspec(str(error), path), value, path)]


def _at_its_key(problem: Problem, value: Any, path: str) -> Problem:
    """A rule of ``__post_init__`` that begins with the key it is about (``base_url: ...``), at that key."""
    key, colon, message = problem.message.partition(": ")
    if problem.path != path or not colon or not isinstance(value, dict) or key not in value:
        return problem
    return Problem(child(path, key), message)


def _from_msgspec(text: str, path: str) -> Problem:
    """A problem that only msgspec knows of: a rule of ``__post_init__``, or a type not walked here."""
    where = _WHERE.search(text)
    if where is None:
        return Problem(path, text.replace("`", ""))
    below = where["path"].replace("[...]", "")
    full = path + below if path else below.removeprefix(".")
    return Problem(full, text[: where.start()].replace("`", ""))


def _wrong(value: Any, node: mi.Type, path: str, hint: str = "") -> Problem:
    return Problem(path, f"expected {type_text(node, null=False)}, got {shown(value, path)}{hint}")


def _toml_header(value: Any, path: str, header: str) -> str:
    """How a table is headed in TOML, where one was headed as a list of tables, or the other way round."""
    swapped = isinstance(value, dict) if header.startswith("[[") else isinstance(value, list)
    tables = value if isinstance(value, list) else [value]
    told = swapped and path and all(isinstance(each, dict) for each in tables) and tables
    return f"; in TOML its header is {header.format(path)}" if told else ""


def _check(value: Any, node: mi.Type, path: str) -> Iterable[Problem]:
    """Problems of one value against one type."""
    match node:
        case mi.Metadata(type=inner, extra=extra):
            if isinstance(value, float) and not math.isfinite(value) and (extra or {}).get("finite") is False:
                return ()
            return _check(value, inner, path)
        case mi.AnyType():
            return _check_any(value, path)
        case mi.StructType():
            return _check_struct(value, node, path)
        case mi.UnionType():
            return _check_union(value, node, path)
        case mi.DictType():
            return _check_dict(value, node, path)
        case mi.TupleType():
            return _check_tuple(value, node, path)
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
            return _check_array(value, node, path)
        case mi.LiteralType(values=values):
            return _check_choice(value, values, path)
        case mi.EnumType(cls=cls):
            return _check_choice(value, tuple(member.value for member in cls), path)
    return () if _is_valid_scalar(value, node) else (_wrong(value, node, path),)


def _check_struct(value: Any, node: mi.StructType, path: str) -> Iterable[Problem]:
    if not isinstance(value, dict):
        yield _wrong(value, node, path, _toml_header(value, path, "[{}]"))
        return
    fields = {field.name: field for field in fields_of(node.cls)}
    known = [*fields, *([node.tag_field] if node.tag_field else [])]
    for key, inner in value.items():
        if key in fields:
            yield from _check(inner, fields[key].type, child(path, key))
        elif key not in known:
            told = _belonging(str(key), fields) or unknown_key(str(key), known)
            if "options" in fields and near_match(str(key), known) is None:
                told += "; all else goes into the table options"
            yield Problem(child(path, str(key)), told)
    for field in fields.values():
        if field.required and field.name not in value:
            yield Problem(child(path, field.name), f"missing; expected {type_text(field.type, null=False)}")


def _belonging(key: str, fields: dict[str, Field]) -> str | None:
    """Of a key that stands one table too high: where it belongs."""
    if near_match(key, fields, closeness=0.8) is not None:
        return None
    for name, field in fields.items():
        inner = unwrapped(field.type)
        if isinstance(inner, mi.StructType) and key in {each.name for each in fields_of(inner.cls)}:
            return f"unknown key; it belongs into {name!r}"
    return None


def unknown_key(key: str, known: list[str], listed: str | None = None) -> str:
    """What to say about a key that is none of the known ones; ``listed``: the command that shows them."""
    hint = near_match(key, known)
    if hint is not None:
        return f"unknown key; did you mean {hint!r}?"
    if listed is not None:
        return f"unknown key; {listed!r} lists what there is"
    return f"unknown key; known: {', '.join(known)}" if known else "unknown key; no keys are allowed here"


def _check_choice(value: Any, choices: tuple[Any, ...], path: str) -> Iterable[Problem]:
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return
    problem = _wrong(value, mi.LiteralType(values=choices), path)
    names = [choice for choice in choices if isinstance(choice, str)]
    hint = near_match(value, names) if isinstance(value, str) and not has_secret_segment(path) else None
    yield problem if hint is None else Problem(path, f"{problem.message}; did you mean {hint!r}?")


def _check_union(value: Any, node: mi.UnionType, path: str) -> Iterable[Problem]:
    """Against the members that take this kind of value; msgspec allows few of one kind in a union."""
    if value is None and any(is_null(member) for member in node.types):
        return ()
    members = [member for member in node.types if not is_null(member)]
    tagged = [unwrapped(member) for member in members if _tag_field(member)]
    if isinstance(value, dict) and len(tagged) > 1:
        return _check_tagged(value, tagged, path)
    fitting = [member for member in members if _is_kind(value, member)]
    if not fitting:
        # One thing expected: let it say what it misses. Several: name them all.
        return _check(value, members[0], path) if len(members) == 1 else (_wrong(value, node, path),)
    found = [list(_check(value, member, path)) for member in fitting]
    return min(found, key=len)


def _tag_field(node: mi.Type) -> str | None:
    inner = unwrapped(node)
    return inner.tag_field if isinstance(inner, mi.StructType) else None


def _check_tagged(value: dict[str, Any], members: list[mi.Type], path: str) -> Iterable[Problem]:
    structs = {member.tag: member for member in members if isinstance(member, mi.StructType)}
    field = _tag_field(members[0])
    assert field is not None
    choices = tuple(structs)
    tag = value.get(field)
    if field not in value:
        yield Problem(child(path, field), f"missing; expected {type_text(mi.LiteralType(values=choices))}")
    elif isinstance(tag, str | int) and tag in structs:
        yield from _check_struct(value, structs[tag], path)
    else:
        yield from _check_choice(tag, choices, child(path, field))


def _is_kind(value: Any, node: mi.Type) -> bool:
    """Whether the value is of the kind that the type takes, its bounds and parts aside."""
    match unwrapped(node):
        case mi.AnyType():
            return True
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case mi.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case mi.StrType():
            return isinstance(value, str)
        case mi.LiteralType(values=values):
            return any(type(value) is type(choice) for choice in values)
        case mi.EnumType(cls=cls):
            return any(type(value) is type(member.value) for member in cls)
        case mi.DictType() | mi.StructType():
            return isinstance(value, dict)
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType() | mi.TupleType():
            return isinstance(value, _ARRAYS)
    return True


def _check_dict(value: Any, node: mi.DictType, path: str) -> Iterable[Problem]:
    if not isinstance(value, dict) or not _is_length(len(value), node):
        yield _wrong(value, node, path)
        return
    for key, inner in value.items():
        place = child(path, str(key))
        for problem in _check(key, node.key_type, ""):
            yield Problem(place, f"key: {problem.message}")
        yield from _check(inner, node.value_type, place)


def _check_array(value: Any, node: _ARRAY_TYPES, path: str) -> Iterable[Problem]:
    if not isinstance(value, _ARRAYS) or not _is_length(len(value), node):
        many = isinstance(unwrapped(node.item_type), mi.StructType)
        yield _wrong(value, node, path, _toml_header(value, path, "[[{}]]") if many else "")
        return
    for index, inner in enumerate(value):
        yield from _check(inner, node.item_type, item(path, index))


def _check_tuple(value: Any, node: mi.TupleType, path: str) -> Iterable[Problem]:
    if not isinstance(value, _ARRAYS) or len(value) != len(node.item_types):
        yield _wrong(value, node, path)
        return
    for index, (inner, type_) in enumerate(zip(value, node.item_types, strict=True)):
        yield from _check(inner, type_, item(path, index))


def _check_any(value: Any, path: str) -> Iterable[Problem]:
    """Free values: plain JSON data only."""
    if isinstance(value, dict):
        for key, inner in value.items():
            place = child(path, str(key))
            if not isinstance(key, str) or not _is_text(key):
                yield Problem(place, f"key: expected str, got {shown(key)}")
            yield from _check_any(inner, place)
    elif isinstance(value, _ARRAYS):
        for index, inner in enumerate(value):
            yield from _check_any(inner, item(path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"expected a finite number, got {shown(value, path)}")
    elif isinstance(value, str):
        if not _is_text(value):
            yield Problem(path, "expected text, got lone surrogates")
    elif value is not None and not isinstance(value, bool | int | float):
        yield Problem(path, f"expected plain data, got {shown(value, path)}; write it as text, in quotes")


def _is_valid_scalar(value: Any, node: mi.Type) -> bool:
    if not _is_kind(value, node):
        return False
    match node:
        case mi.IntType():
            return _is_in_bounds(value, node)
        case mi.FloatType():
            return _is_finite(value) and _is_in_bounds(value, node)
        case mi.StrType():
            return _is_text(value) and _is_length(len(value), node) and _is_match(value, node.pattern)
        case mi.NoneType():
            return value is None
    return True


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _is_in_bounds(value: float, node: mi.IntType | mi.FloatType) -> bool:
    return (
        (node.ge is None or value >= node.ge)
        and (node.gt is None or value > node.gt)
        and (node.le is None or value <= node.le)
        and (node.lt is None or value < node.lt)
        and (node.multiple_of is None or value % node.multiple_of == 0)
    )


def _is_length(length: int, node: Any) -> bool:
    return (node.min_length is None or length >= node.min_length) and (
        node.max_length is None or length <= node.max_length
    )


def _is_match(text: str, pattern: str | None) -> bool:
    if pattern is None:
        return True
    # Python's $ also matches before a final line feed; names that end in one are no names.
    return re.search(pattern, text) is not None and not (pattern.endswith("$") and text.endswith("\n"))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
