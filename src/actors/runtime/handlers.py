"""`@handler`, and the table from message type to handler that each actor class gets when it is created.

The message type is read from the annotation of the handler's one argument. Mistakes (no annotation, two
handlers for one type) are a TypeError when the class is defined, not when the first message arrives.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin

from .signals import ChildFailed

__all__ = ["Behaviour", "Handler", "handler"]

_MARK = "__crucible_handles__"

F = TypeVar("F", bound=Callable[[Any, Any], Any])

# One row of the table: a plain function of (actor, message), and whether it is async. A bare tuple, as only
# an exact tuple is unpacked without an iterator, which is a fifth of the cost of a tell.
Handler: TypeAlias = tuple[Callable[[Any, Any], Any], bool]


class Behaviour:
    """What an actor class can do: its handlers by message type, and which hooks it has."""

    __slots__ = (
        "handles_child_failed",
        "has_on_child_failure",
        "has_on_restart",
        "has_on_start",
        "has_on_stop",
        "name",
        "row_of",
        "synchronous",
        "table",
    )

    def __init__(
        self,
        name: str,
        table: dict[type, Handler],
        *,
        has_on_start: bool,
        has_on_stop: bool,
        has_on_restart: bool,
        has_on_child_failure: bool,
    ) -> None:
        self.name = name
        self.table = table
        self.row_of = table.get  # for exact types; looked up once
        self.synchronous = not any(is_async for _, is_async in table.values())
        self.handles_child_failed = self.find(ChildFailed) is not None
        self.has_on_start = has_on_start
        self.has_on_stop = has_on_stop
        self.has_on_restart = has_on_restart
        self.has_on_child_failure = has_on_child_failure

    def find(self, kind: type) -> Handler | None:
        """Return the handler for a message type; a base class's handler serves its subclasses."""
        row = self.table.get(kind)
        if row is None:
            for base in kind.__mro__[1:]:
                row = self.table.get(base)
                if row is not None:
                    self.table[kind] = row
                    break
        return row


def handler(function: F) -> F:
    """Mark a method of an Actor as the handler of the message type its argument is annotated with.

    The method may be sync or async. What it returns answers an ask and is ignored for a tell. `A | B`
    handles both.

    Raises:
        TypeError: the method is not `(self, message: Type)`, or the type is not known yet at this point.
    """
    parameters = list(inspect.signature(function).parameters.values())
    name = function.__qualname__
    if len(parameters) != 2:
        raise TypeError(f"{name}: a handler takes self and one message")
    annotation = parameters[1].annotation
    if annotation is inspect.Parameter.empty:
        raise TypeError(f"{name}: annotate {parameters[1].name!r} with the message type it handles")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{name}: a handler must not be a generator")
    if isinstance(annotation, str):
        annotation = _evaluate(annotation, function, name)
    setattr(function, _MARK, _message_types(annotation, name))
    return function


def _evaluate(annotation: str, function: Callable[..., Any], name: str) -> Any:
    """Resolve a string annotation where the handler was written: module, then the enclosing scopes."""
    scope: dict[str, Any] = {}
    frame = sys._getframe(2)  # the class body; the frames behind it are the functions it is nested in
    frames = []
    while frame is not None and frame.f_globals is function.__globals__:
        frames.append(frame)
        frame = frame.f_back  # type: ignore[assignment]  # typeshed: the last frame's f_back is None
    for one in reversed(frames):
        scope.update(one.f_locals)
    try:
        return eval(annotation, function.__globals__, scope)  # noqa: S307  # our own source text
    except NameError as error:
        raise TypeError(
            f"{name}: the message type {annotation!r} must be defined (or imported) before the actor: {error}"
        ) from None


def _message_types(annotation: Any, name: str) -> tuple[type, ...]:
    """Flatten an annotation to the classes it names."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for arm in get_args(annotation) for kind in _message_types(arm, name))
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        raise TypeError(f"{name}: {annotation!r} is not a message class")
    return (kind,)


def build_table(cls: type) -> dict[type, Handler]:
    """Collect the handlers of a class and its bases; an override by name keeps the base's message type."""
    marked: dict[str, tuple[type, ...]] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            kinds = getattr(member, _MARK, None)
            if kinds is not None:
                marked[name] = kinds
    table: dict[type, Handler] = {}
    owner: dict[type, str] = {}
    for name, kinds in marked.items():
        function = getattr(cls, name)
        for kind in kinds:
            if kind in owner:
                raise TypeError(
                    f"{cls.__qualname__}: both {owner[kind]} and {name} handle {kind.__name__}; keep one"
                )
            owner[kind] = name
            table[kind] = (function, inspect.iscoroutinefunction(function))
    return table
