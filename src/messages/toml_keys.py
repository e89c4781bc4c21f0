"""How many parts the longest dotted key of a TOML text has, without parsing it.

Asked before a text from elsewhere is parsed: tomllib keeps every prefix of a key, so that one key of half a
million parts takes more memory than there is.
"""

from __future__ import annotations

import re

__all__ = ["has_longer_key"]

_TOKEN = re.compile(
    r'"{3}(?:\\.|[^\\])*?"{3}|' + r"'{3}.*?'{3}|"  # strings of several lines
    r"""(?P<part>"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)|(?P<dot>\.)|(?P<space>[ \t]+)|#[^\n]*|.""",
    re.DOTALL,
)


def has_longer_key(text: str, parts: int) -> bool:
    """Whether a key has more parts than that."""
    if not any(line.count(".") >= parts for line in text.split("\n")):
        return False
    dots = 0
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "dot":
                dots += 1
                if dots >= parts:
                    return True
            case None:
                dots = 0
    return False
