"""An experiment as far as it decodes, so that the rest of it can be checked although a part is wrong.

A field that does not decode has its default here, and one without a default a stand-in; ``Broken`` knows
where. A later check that reads such a field is skipped, and what is found at it is not told: the first error
has been told. Read by ``checks`` and ``preflight``. Nothing runs from a draft with problems.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from .decoding import collect
from .errors import Problem, near_match
from .experiment import Experiment
from .paths import child, item, parent
from .shapes import fields_of

__all__ = ["Broken", "Draft", "as_far_as_it_decodes", "decode_draft"]

S = TypeVar("S", bound=msgspec.Struct)


class Broken:
    """The paths of a document that do not decode, or name what is not there."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths: set[str] = set()
        self._above: set[str] = set()
        self.add(paths)

    def add(self, paths: Iterable[str]) -> None:
        """More of them."""
        for path in paths:
            self._paths.add(path)
            self._above.update(_upwards(path))

    def copy(self) -> Broken:
        """As it is now."""
        return Broken(self._paths)

    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(self._paths))

    def holds(self, path: str) -> bool:
        """Whether the path, or anything below it, is broken."""
        return path in self._above

    def covers(self, path: str) -> bool:
        """Whether the path, or what it lies in, is broken: a stand-in is there."""
        return any(above in self._paths for above in _upwards(path))

    def spares(self, *paths: str) -> bool:
        """Whether all these are as they were written, with all that is in them."""
        return not any(self.holds(path) or self.covers(path) for path in paths)

    def without_follow_ups(self, problems: Iterable[Problem]) -> list[Problem]:
        """Those of the problems that are not at a broken place, where they would tell of a stand-in."""
        return [problem for problem in problems if not self.covers(problem.path)]


def _upwards(path: str) -> Iterator[str]:
    """The path and those that it lies in."""
    while path:
        yield path
        path = parent(path)


class Draft(msgspec.Struct, frozen=True):
    """What a document decodes to, and why it is not more."""

    experiment: Experiment
    problems: Sequence[Problem] = ()
    broken: tuple[str, ...] = ()


def decode_draft(data: Any) -> Draft:
    """The experiment in the data as far as it decodes, with every problem of decoding."""
    experiment, problems = collect(data, Experiment)
    if experiment is not None:
        return Draft(experiment)
    experiment, broken = as_far_as_it_decodes(data, Experiment, problems)
    return Draft(experiment, problems, broken)


def as_far_as_it_decodes(
    data: Any, type_: type[S], problems: Sequence[Problem], path: str = ""
) -> tuple[S, tuple[str, ...]]:
    """A Struct of what is right in the data, and the paths of what is not; ``problems`` are of decoding it.

    A key that is a slip for another one breaks that one, too: its value is not what its author meant.
    """
    salvage = _Salvage(problem.path for problem in problems)
    made = salvage.struct(data, type_, path)
    return made, salvage.broken.paths()


class _Salvage:
    def __init__(self, broken: Iterable[str]) -> None:
        self.broken = Broken(broken)

    def struct(self, data: Any, type_: type[S], path: str) -> S:
        """The struct at ``path``; msgspec builds one from Python without looking at its types."""
        hints = typing.get_type_hints(type_, include_extras=True)
        fields = {field.name: field for field in fields_of(type_)}
        data = data if isinstance(data, dict) else {}
        for key in data.keys() - fields.keys():
            meant = near_match(str(key), fields)
            if meant is not None and meant not in data:
                self.broken.add([child(path, meant)])
        values: dict[str, Any] = {}
        names = zip(type_.__struct_fields__, type_.__struct_encode_fields__, strict=True)
        for name, key in names:
            made = self._value(data[key], hints[name], child(path, key)) if key in data else msgspec.UNSET
            if made is msgspec.UNSET and fields[key].required:
                self.broken.add([child(path, key)])
                made = _stand_in(hints[name])
            if made is not msgspec.UNSET:
                values[name] = made
            elif key in data:
                self.broken.add([child(path, key)])
        return type_(**values)

    def _value(self, value: Any, hint: Any, path: str) -> Any:
        """The value, mended inside where it is made of Structs; UNSET where nothing can be made of it."""
        if not self.broken.holds(path):
            return msgspec.convert(value, hint)
        if self.broken.covers(path):
            return msgspec.UNSET
        struct, many = _structs(hint)
        if struct is None:
            return self._free(value, path) if _is_free_table(hint) else msgspec.UNSET
        if many is dict:
            return {key: self.struct(inner, struct, child(path, str(key))) for key, inner in value.items()}
        if many is tuple:
            return tuple(self.struct(inner, struct, item(path, at)) for at, inner in enumerate(value))
        return self.struct(value, struct, path)

    def _free(self, table: dict[str, Any], path: str) -> dict[str, Any]:
        """The keys of a free table whose values are plain data."""
        return {key: inner for key, inner in table.items() if not self.broken.holds(child(path, str(key)))}


def _is_free_table(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        return _is_free_table(typing.get_args(hint)[0])
    return typing.get_origin(hint) is dict and typing.get_args(hint)[1] is Any


def _structs(hint: Any) -> tuple[type[msgspec.Struct] | None, type | None]:
    """The Struct that a field holds, and whether in a tuple or a dict; None for a field of anything else."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint, None
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is typing.Annotated:
        return _structs(arguments[0])
    if origin is tuple or origin is dict:
        return _structs(arguments[0 if origin is tuple else 1])[0], origin
    found = [_structs(argument) for argument in arguments if argument is not type(None)]
    return found[0] if len(found) == 1 else (None, None)


def _stand_in(hint: Any) -> Any:
    """For a required field; nothing that reads it is checked."""
    struct, many = _structs(hint)
    if many is tuple:
        return ()
    return "" if struct is None else _Salvage(()).struct({}, struct, "")
