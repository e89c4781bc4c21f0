"""Which values are secrets, and how any value is shown in an error without giving one away.

Used by the decoder (its messages never echo a secret) and by the semantic check (a secret in plain text
is refused). It knows names, not values: a secret under an innocent name cannot be told.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

__all__ = [
    "has_secret_segment",
    "is_reference",
    "is_secret_key",
    "secret_expected",
    "shown",
    "url_holds_password",
]

LONGEST_SHOWN = 60

_SECRET = re.compile(
    r"(?:^|_)(?:api_?keys?|access_keys?|private_keys?|secret_keys?|auth_?tokens?|token|secrets?|passwords?"
    r"|passwd|passphrase|authorization|bearer|credentials?)$"
)
# Names of the field that end in "token" but hold a piece of text for the model.
_MODEL_TOKEN = re.compile(r"(?:^|_)(?:bos|eos|pad|unk|sep|cls|mask|stop|start|end|image|special)_token$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_URL_PASSWORD = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_SEGMENT = re.compile(r'"(?:\\.|[^"\\])*"|[^.\[\]"]+')


def is_secret_key(key: str) -> bool:
    """Whether a key names a secret: ``api_key``, ``hf_token``, ``x-api-key``, ``dbPassword``, ..."""
    name = _CAMEL.sub("_", key).replace("-", "_").lower()
    return _SECRET.search(name) is not None and _MODEL_TOKEN.search(name) is None


def has_secret_segment(path: str) -> bool:
    """Whether any key on the path names a secret, so that the value below must stay hidden."""
    return any(is_secret_key(segment.strip('"')) for segment in _SEGMENT.findall(path))


def is_reference(text: str) -> bool:
    """Whether the text refers to a secret (``env:NAME``, ``file:PATH``) and is not one itself."""
    return _REFERENCE.fullmatch(text) is not None


def secret_expected(text: str) -> str:
    """What to say of a text where a reference to a secret belongs; the text itself is not repeated."""
    if text.startswith(("env:", "file:")):
        return "is no reference; expected env:NAME (letters, digits, _; no spaces) or file:PATH"
    return "looks like a secret in plain text; write env:NAME or file:PATH instead"


def url_holds_password(text: str) -> bool:
    """Whether the text holds a URL of the form ``scheme://user:password@host``."""
    return _URL_PASSWORD.search(text) is not None


def shown(value: Any, path: str = "") -> str:
    """The value as an error shows it: one line, short, and hidden when the path or the text is secret."""
    if has_secret_segment(path) and not isinstance(value, dict | list | tuple | set | frozenset):
        return "a hidden value"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < 200 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return repr(value)
    return _shown_kind(value)


def _shown_text(text: str) -> str:
    if url_holds_password(text):
        return "a hidden value"
    short = text[:LONGEST_SHOWN]
    quoted = json.dumps(short, ensure_ascii=not short.isprintable())
    return quoted if len(text) <= LONGEST_SHOWN else f'{quoted[:-1]}…" ({len(text)} characters)'


def _shown_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple | set | frozenset):
        return {0: "an empty list", 1: "a list of 1 item"}.get(len(value), f"a list of {len(value)} items")
    if isinstance(value, dt.date | dt.time):
        return "a date or time"
    return type(value).__name__
