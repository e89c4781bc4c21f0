"""Redacts the texts inside a record. Called by the output guard for the arguments behind an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = ["scrubbed"]

T = TypeVar("T", bound=msgspec.Struct)

TEXTS = frozenset(
    {"text", "claim", "content", "description", "raised", "problems", "fallback", "error", "issues"}
)
"""Keys below which a string is somebody's words; ids, names and methods are ours."""


def scrubbed(record: T, redact: Callable[[str], str]) -> T:
    """The record with every text redacted; each distinct text is redacted once."""
    known: dict[str, str] = {}

    def clean(value: Any, *, words: bool) -> Any:
        if isinstance(value, str):
            if words and value not in known:
                known[value] = redact(value)
            return known[value] if words else value
        if isinstance(value, dict):
            return {key: clean(inner, words=words or key in TEXTS) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner, words=words) for inner in value]
        return value

    return msgspec.convert(clean(msgspec.to_builtins(record), words=False), type(record))
