"""Has msgspec build its table of a type in one thread at a time.

msgspec (0.22) fills the table of a Struct when the type is first decoded, with calls into Python between.
Another thread may then see it half full, and the process dies by a segmentation fault; once it is whole, any
number of threads may use it. So types that threads decode are built before: all messages by whoever starts
threads, others by ``build`` before their first use, or by a decoder of their module, which the import lock
guards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from .base import Message

__all__ = ["build", "build_messages"]

_LOCK = threading.Lock()
_BUILT: set[Any] = set()


def build(type_: Any) -> None:
    """Build the table of a type and of all that it holds, if that has not been done."""
    if type_ in _BUILT:
        return
    with _LOCK:
        msgspec.json.Decoder(type_)
        _BUILT.add(type_)


def build_messages() -> list[type[Message]]:
    """Build those of all messages that are loaded (5 ms for 130); the messages."""
    found = list(dict.fromkeys(_below(Message)))
    for message in found:
        build(message)
    return found


def _below(parent: type[Message]) -> Iterator[type[Message]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)
