"""How a request says what it is answered with, for the type checker alone.

`ActorRef.ask` infers its return type from the request. A message declares its reply in one of two ways, and
neither costs anything at run time:

    class Count(msgspec.Struct, Asks[int]): ...          # inherit the generic base

    class Count(msgspec.Struct):                         # or match `Request` by structure alone,
        if TYPE_CHECKING:                                # without importing this runtime
            def __reply__(self) -> int: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

__all__ = ["Asks", "Request"]

R_co = TypeVar("R_co", covariant=True)


class Request(Protocol[R_co]):
    """A message that is answered with an `R_co`. `__reply__` is a marker and is never called."""

    def __reply__(self) -> R_co:
        """Name the reply's type; never called."""
        ...


class Asks(Generic[R_co]):
    """Base for requests: `class Count(Asks[int])` is answered with an int. Works beside `msgspec.Struct`."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __reply__(self) -> R_co: ...
