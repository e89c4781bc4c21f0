"""Finds the value of a field in an example, and holds one value against the rules of its field. Pure."""

from __future__ import annotations

import ipaddress
import math
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from ...messages.records import Example
from .options import FieldRule
from .patterns import MAX_TEXT, compile_pattern

__all__ = [
    "FIELD_NAMES",
    "Check",
    "Violation",
    "as_number",
    "canonical_name",
    "field_value",
    "is_missing",
    "value_checks",
]

Violation = tuple[str, str]
Check = Callable[[Any], Violation | None]
"""Gives (expectation, problem) for a value that is not missing, or None when it is as expected."""

FIELD_NAMES = ("input", "reference", "id", "group", "split")
"""Parts of an example; every other name is a key of the row."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]{1,63}(\.[^@\s.]{1,63}){1,10}")
_HEX_COLOR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def canonical_name(name: str) -> str:
    """``output`` is another name of ``reference``."""
    return "reference" if name == "output" else name


def field_value(example: Example, name: str) -> Any:
    """The value of a field, None when it is not there; a key with dots reaches into objects."""
    if name in FIELD_NAMES:
        return getattr(example, name)
    value: Any = example.fields
    if name in value:
        return value[name]
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def is_missing(value: Any) -> bool:
    """Absent, null or the empty string."""
    return value is None or value == ""


def as_number(value: Any) -> float | None:
    """The value as a finite number; None when it is not one, or too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def value_checks(rule: FieldRule) -> list[Check]:
    """The checks of single values that ``rule`` asks for."""
    checks: list[Check] = []
    if rule.type is not None:
        checks.append(_type_check(rule.type))
    if rule.min_length is not None or rule.max_length is not None:
        checks.append(_length_check(rule.min_length, rule.max_length))
    if rule.minimum is not None or rule.maximum is not None:
        checks.append(_between_check(rule.minimum, rule.maximum))
    if rule.values is not None:
        checks.append(_values_check(rule.values))
    if rule.pattern is not None:
        checks.append(_pattern_check(rule.pattern))
    if rule.format is not None:
        checks.append(_format_check(rule.format))
    return checks


def _type_check(name: str) -> Check:
    types = _TYPES[name]

    def check(value: Any) -> Violation | None:
        fits = isinstance(value, types) and (name == "boolean" or not isinstance(value, bool))
        return None if fits else ("type", f"expected type {name}, found {_shown(value)}")

    return check


def _length_check(low: int | None, high: int | None) -> Check:
    def check(value: Any) -> Violation | None:
        if not isinstance(value, (str, list)):
            return "length", f"has no length: {_shown(value)}"
        unit = "characters" if isinstance(value, str) else "items"
        if low is not None and len(value) < low:
            return "length", f"{len(value):,} {unit}, expected at least {low:,}"
        if high is not None and len(value) > high:
            return "length", f"{len(value):,} {unit}, expected at most {high:,}"
        return None

    return check


def _between_check(low: float | None, high: float | None) -> Check:
    def check(value: Any) -> Violation | None:
        number = as_number(value)
        if number is None:
            return "between", f"expected a number, found {_shown(value)}"
        if low is not None and number < low:
            return "between", f"{number:g} is below {low:g}"
        if high is not None and number > high:
            return "between", f"{number:g} is above {high:g}"
        return None

    return check


def _values_check(allowed: tuple[str | float | bool, ...]) -> Check:
    known = {(type(value) is bool, value) for value in allowed}  # True == 1, but is not meant

    def check(value: Any) -> Violation | None:
        if isinstance(value, (str, int, float)) and (type(value) is bool, value) in known:
            return None
        return "values", f"{_shown(value)} is none of {', '.join(map(repr, allowed[:8]))}"

    return check


def _pattern_check(pattern: str) -> Check:
    compiled = compile_pattern(pattern)

    def check(value: Any) -> Violation | None:
        if not isinstance(value, str):
            return "pattern", f"expected a string, found {_shown(value)}"
        if len(value) > MAX_TEXT:
            return "pattern", f"{len(value):,} characters, a pattern is tried on {MAX_TEXT:,} at most"
        return None if compiled.search(value) else ("pattern", f"does not match {pattern!r}")

    return check


def _format_check(name: str) -> Check:
    fits = _FORMATS[name]

    def check(value: Any) -> Violation | None:
        if isinstance(value, str) and len(value) <= MAX_TEXT and fits(value):
            return None
        return "format", f"{_shown(value)} is no {name}"

    return check


def _parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return fits


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "ftp") and bool(parts.hostname) and not re.search(r"\s", text)


_FORMATS: dict[str, Callable[[str], bool]] = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "url": _is_url,
    "uuid": _parses(uuid.UUID),
    "iso_date": _parses(date.fromisoformat),
    "iso_datetime": _parses(datetime.fromisoformat),
    "ipv4": _parses(ipaddress.IPv4Address),
    "hex_color": lambda text: _HEX_COLOR.fullmatch(text) is not None,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
