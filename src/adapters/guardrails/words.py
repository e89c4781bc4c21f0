"""The words of a text as a set: what detectors ask first, because a look-up costs less than a search.

Letters and digits of ASCII make words, all else separates them. Two markers stand for what the set cannot
show: a very long word (words may be glued together) and letters of another script.
"""

from __future__ import annotations

__all__ = ["LONG_WORD", "OTHER_SCRIPT", "words_of"]

LONG_WORD = "<long>"
OTHER_SCRIPT = "<other-script>"
_LONG = 20
_SEPARATED = bytes(code if chr(code).isalnum() and code < 128 else 32 for code in range(256))


def words_of(lower: str, ascii_bytes: bytes | None = None) -> set[str]:
    """Words of a lower-cased text; ``ascii_bytes`` is the text in ASCII with "?" for other characters."""
    plain = lower.encode("ascii", "replace") if ascii_bytes is None else ascii_bytes
    words = set(plain.translate(_SEPARATED).decode("ascii").split())
    if max(map(len, words), default=0) >= _LONG:
        words.add(LONG_WORD)
    if not lower.isascii():
        words.add(OTHER_SCRIPT)
    return words
