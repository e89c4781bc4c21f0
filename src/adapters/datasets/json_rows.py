"""Decodes one line of JSON into a row, and says in one line what is wrong when it is none.

The quick path is msgspec's decoder; only a line that it refuses is looked at again for the reason.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from .rows import RowError

__all__ = ["decode_row"]

_DECODER = msgspec.json.Decoder(dict[str, Any])
_ARRAY = "expected a JSON object, found a list: write one object a line (JSON Lines)"
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def decode_row(data: bytes) -> dict[str, Any]:
    """The object on this line. Duplicate keys: the last one counts. Raises RowError."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RowError(_reason(data, error)) from None


def _reason(data: bytes, error: Exception) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark in the middle of the file"
    if b"\x00" in data:
        return f"a NUL byte at byte {data.index(0) + 1}: is this a text file in UTF-8?"
    try:
        text = data.decode().rstrip()
    except UnicodeDecodeError as bad:
        return f"not UTF-8: byte 0x{data[bad.start]:02x} at byte {bad.start + 1}"
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as bad:
        if text.lstrip().startswith("["):
            return _ARRAY
        return f"not valid JSON: {bad.msg} (column {bad.colno})"
    except RecursionError:
        return "not usable JSON: nested too deeply"
    except RowError as bad:
        return bad.problem
    except ValueError as bad:  # a number of more than 4,300 digits
        return f"not usable JSON: {bad}"
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return _ARRAY
    if not isinstance(value, dict):
        return f"expected a JSON object, found {_kind(value)}"
    if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return "not valid JSON text: half of a surrogate pair (\\ud800 to \\udfff) stands alone"
    return f"not usable JSON: {error}"


def _refuse_constant(name: str) -> NoReturn:
    raise RowError(f"{name} is no JSON value; write null")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names[type(value)]
