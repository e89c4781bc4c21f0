"""What to say about a syntax error of TOML or JSON besides the words of the parser.

Called by ``experiment_file`` with an error that the parser raised. The hints are for slips that are common:
text without quotes, ``True``, a comment or a last comma in JSON. An empty hint where there is none.
"""

from __future__ import annotations

import re

__all__ = ["json_hint", "long_number_line", "toml_hint", "toml_message"]

_TWICE = re.compile(r"Cannot declare \((?P<names>.*)\) twice")
_NAME = re.compile(r"'([^']*)'")
_LONG_NUMBER = re.compile(r"[0-9]{4301,}")
"""The digits that Python reads at most, and one more."""


def toml_message(message: str) -> str:
    """The parser's message in words of the file."""
    twice = _TWICE.fullmatch(message)
    if twice is not None:
        return f"the table [{'.'.join(_NAME.findall(twice['names']))}] is there twice"
    if message == "Cannot overwrite a value":
        return "a key is given twice"
    return message


def toml_hint(message: str, text: str) -> str:
    """What the parser expected where it found no value; ``text`` begins there."""
    if message != "Invalid value":
        return ""
    word = re.match(r"[A-Za-z_][\w.-]*", text)
    if word is None:
        return "; expected a value: text in quotes, a number, true, false, [a list] or {a table}"
    if word[0].lower() in ("true", "false"):
        return f"; write {word[0].lower()}"
    return "; text stands in quotes"


def json_hint(text: str, at: int) -> str:
    """What the slip may be at this place of the text."""
    here, before = text[at : at + 2], text[:at].rstrip()
    if here in ("//", "/*") or here[:1] == "#":
        return "; JSON has no comments: leave it out, or write TOML"
    if here[:1] in ("}", "]") and before.endswith(","):
        return f"; leave out the comma before {here[:1]!r}"
    return "; text stands in double quotes" if here[:1] == "'" else ""


def long_number_line(text: str) -> int | None:
    """The line of the first number that is too long to be read."""
    found = _LONG_NUMBER.search(text.replace("_", ""))
    return None if found is None else text.replace("_", "").count("\n", 0, found.start()) + 1
