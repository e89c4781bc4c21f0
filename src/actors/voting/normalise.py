"""When two answers are the same answer.

Called before every vote. A normaliser turns a text into a key, or into None with a reason: then the member
abstains. None never wins a vote. The text itself is kept for the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

__all__ = ["NORMALISERS", "Normalised", "Normaliser", "boolean", "custom", "json_value", "numeric", "text"]


class Normalised(NamedTuple):
    """A key, or None and the reason why there is none."""

    key: str | None
    reason: str = ""


Normaliser = Callable[[str], Normalised]

_NUMBER = re.compile(
    r"(?<![\w.])([-+−]?)\s?[$€£¥]?\s?([-+−]?)(\d+(?:,\d+)*(?:\.\d+)?|\.\d+)(?:[eE]([-+]?\d{1,4})(?!\w))?",
    re.ASCII,
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_UNSURE = re.compile(
    r"\b(?:maybe|perhaps|possibly|unsure|uncertain|unclear|unknown|undetermined|depends|"
    r"not (?:sure|certain|clear|known|enough)|(?:do not|don['’]t) know|"
    r"(?:can ?not|can['’]t|could not|couldn['’]t) (?:say|tell|determine|answer|be determined))\b"
)
_NEGATED = re.compile(r"\b(?:not|isn['’]t|never) (?:true|correct|yes)\b")
_YES = re.compile(r"\b(?:yes|yeah|yep|true|correct|affirmative)\b")
_NO = re.compile(r"\b(?:no|nope|false|incorrect|negative)\b")


def text(answer: str) -> Normalised:
    """Case and blanks do not matter."""
    key = " ".join(answer.split()).casefold()
    return Normalised(key) if key else Normalised(None, "empty answer")


def numeric(answer: str, which: Literal["first", "last"] = "first") -> Normalised:
    """The first (or last) number: signs, currency signs, thousands separators and exponents understood.

    Equal numbers have equal keys however they are written: 1,000 and 1e3. ``3,5`` could be 3.5 or two
    numbers: then the member abstains.
    """
    found = list(_NUMBER.finditer(answer))
    if not found:
        return Normalised(None, "no number")
    sign, inner, digits, exponent = found[0 if which == "first" else -1].groups()
    if "," in digits:
        if not _GROUPED.fullmatch(digits):
            return Normalised(None, f"ambiguous comma in {digits[:40]!r}")
        digits = digits.replace(",", "")
    negative = (sign in ("-", "−")) != (inner in ("-", "−"))
    written = f"{'-' if negative else ''}{digits}e{exponent or 0}"
    try:
        value = Decimal(written).normalize(Context(prec=max(28, len(digits))))
    except InvalidOperation:
        return Normalised(None, "number out of range")
    return Normalised(str(value) if value else "0")


def json_value(answer: str) -> Normalised:
    """A fenced block, or the whole, as JSON with sorted keys; 1 and 1.0 are the same."""
    fenced = _FENCE.search(answer)
    try:
        value = json.loads(fenced[1] if fenced else answer, parse_constant=_no_constant)
        key = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return Normalised(None, "JSON nested too deeply")
    except ValueError as error:
        return Normalised(None, f"not JSON: {error}")
    return Normalised(key)


def boolean(answer: str) -> Normalised:
    """Yes or no. Words of doubt go first; then the first word; then whichever of yes and no stands alone."""
    words = " ".join(answer.split()).casefold()
    if _UNSURE.search(words):
        return Normalised(None, "unsure")
    words = _NEGATED.sub("false", words)
    yes, no = _YES.search(words), _NO.search(words)
    if yes and no:
        start = len(words) - len(words.lstrip("*\"'([ "))
        if start not in (yes.start(), no.start()):
            return Normalised(None, "says both yes and no")
        return Normalised("true" if yes.start() == start else "false")
    if yes or no:
        return Normalised("true" if yes else "false")
    return Normalised(None, "neither yes nor no")


def custom(function: Callable[[str], str | None]) -> Normaliser:
    """A function of one's own; None or an empty key abstains, and so does an exception."""

    def normalised(answer: str) -> Normalised:
        try:
            key: object = function(answer)
        except Exception as error:  # noqa: BLE001  # foreign code: its failure is one member's abstention
            return Normalised(None, f"normaliser failed: {type(error).__name__}")
        if not isinstance(key, str | None):
            return Normalised(None, f"normaliser gave {type(key).__name__}: expected text or None")
        return Normalised(key) if key else Normalised(None, "the normaliser found no answer")

    return normalised


NORMALISERS: dict[str, Normaliser] = {
    "text": text,
    "numeric": numeric,
    "json": json_value,
    "boolean": boolean,
}
"""By the name in the experiment file."""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
