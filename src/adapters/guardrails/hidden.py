"""Instructions in disguise: spelled out, in leetspeak, reversed, ROT13, base64 or hexadecimal.

Gives the injection and jailbreak detectors further texts to search, each with a map back to the original.
Look-alike and invisible characters are ``view.py``'s business. It deliberately undoes one disguise at a time:
a text that is reversed and then encoded stays unread.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from .view import View
from .words import LONG_WORD

__all__ = ["Reading", "readings"]

# Words that most attacks need; a text is read again only when such a word appears in disguise.
_KEYWORDS = frozenset(
    {
        "anything",
        "disregard",
        "ignore",
        "instruction",
        "instructions",
        "jailbreak",
        "jailbroken",
        "previous",
        "prompt",
        "restriction",
        "restrictions",
        "rules",
        "unfiltered",
    }
)
_LEET = str.maketrans("013457@$!", "oieastasi")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(_LETTERS, _LETTERS[13:] + _LETTERS[:13])
_REVERSED = frozenset(word[::-1] for word in _KEYWORDS)
_ROTATED = frozenset(word.translate(_ROT13) for word in _KEYWORDS)
# Letters and digits become "a", what may stand between spelled-out letters becomes " ".
_SHAPE = bytes(
    97 if chr(code).isalnum() and code < 128 else 32 if chr(code) in " .*|_-" else 33 for code in range(256)
)
_SINGLE = frozenset(_LETTERS)
_FEWEST_SINGLE = 5
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W_][ .*|_-]{1,3}){7,400}[^\W_](?![^\W_])")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{20,20000}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){10,10000}\Z")


class Reading(NamedTuple):
    """Another reading of the text. ``start`` is None where offsets are those of the view."""

    text: str
    start: int | None = None
    end: int = 0
    reverse: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets of the view for offsets of this reading."""
        if self.start is not None:
            return self.start, self.end
        if self.reverse:
            return len(self.text) - end, len(self.text) - start
        return start, end


def readings(view: View) -> list[Reading]:
    """All further readings that are worth a search; usually none."""
    found = []
    if any(word.translate(_LEET) in _KEYWORDS for word in view.numbered):
        found.append(Reading(view.lower.translate(_LEET)))
    if not _REVERSED.isdisjoint(view.words):
        found.append(Reading(view.lower[::-1], reverse=True))
    if not _ROTATED.isdisjoint(view.words):
        found.append(Reading(view.lower.translate(_ROT13)))
    if LONG_WORD in view.words:
        found += _encoded(view)
    if len(_SINGLE & view.words) >= _FEWEST_SINGLE and _looks_spelled(view.ascii):
        found += _spelled(view.lower)
    return found


def _looks_spelled(plain: bytes) -> bool:
    shape = plain.translate(_SHAPE)
    return b"a a a a" in shape or b"a  a  a  a" in shape


def _spelled(text: str) -> list[Reading]:
    found = []
    for match in _SPELLED.finditer(text):
        words = re.split(r"[ .*|_-]{2,3}", match.group())
        letters = [re.sub(r"[ .*|_-]", "", word) for word in words]
        texts = {" ".join(letters), "".join(letters)}
        found += [Reading(text, match.start(), match.end()) for text in sorted(texts)]
    return found


def _encoded(view: View) -> list[Reading]:
    found = []
    for match in _ENCODED.finditer(view.cased):
        decoded = _decode(match.group())
        if decoded is not None:
            found.append(Reading(View(decoded).lower, match.start(), match.end()))
    return found


def _decode(token: str) -> str | None:
    """Text behind a base64 or hexadecimal token, None when it is not mostly readable."""
    try:
        if _HEX.match(token):
            raw = bytes.fromhex(token)
        else:
            body = token.rstrip("=").replace("-", "+").replace("_", "/")
            raw = base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "==", validate=False)
    except (binascii.Error, ValueError):
        return None
    text = raw.decode("utf-8", "replace")
    readable = sum(char.isalpha() or char.isspace() for char in text)
    return text if text and readable >= 0.7 * len(text) and " " in text else None
