"""Text of unknown origin, made safe to look at: nothing hidden, nothing endless, nothing that acts.

Every renderer sends every string through ``visible``. Model answers are data; they may hold markup, control
characters, or bidirectional overrides that make a line read differently from what it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import msgspec

__all__ = ["clip", "encode_json", "fence", "markdown_cell", "markdown_text", "visible"]

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
MARKDOWN_SIGNS = re.compile(r"([\\`*{}\[\]|~#!$]|(?<!\w)_|_(?!\w))")
LINE_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)](?:\s|$)))", re.MULTILINE)
AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")


def visible(text: str) -> str:
    """Replace control, format and other unseen characters (but tab and line feed) by ``⟨U+XXXX⟩``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(sign):04X}⟩" if sign not in "\t\n" and unicodedata.category(sign) in HIDDEN else sign
        for sign in text.replace("\r\n", "\n")
    )


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters of the text, saying how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def markdown_text(text: str) -> str:
    """One paragraph of plain text: no sign of it is read as Markdown or HTML."""
    escaped = MARKDOWN_SIGNS.sub(r"\\\1", visible(text))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = AUTOLINK.sub(lambda found: f"{found[1]}&#{ord(found[2])};", escaped)
    return LINE_START.sub(_escape_line_start, escaped)


def _escape_line_start(found: re.Match[str]) -> str:
    indent, sign = found[1].replace("\t", " ").lstrip(" "), found[2]
    return f"{indent}&#{ord(sign[0])};{sign[1:]}"


def markdown_cell(text: str) -> str:
    """Plain text for one table cell: line breaks become spaces."""
    return markdown_text(" ".join(text.split())) if text.strip() else ""


def fence(text: str) -> str:
    """The text as a fenced code block that it cannot break out of."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{shown}\n{ticks}"


def encode_json(record: Any) -> bytes:
    """JSON of a record; half surrogate pairs, which no UTF-8 can hold, become U+FFFD."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return msgspec.json.encode(_repair(msgspec.to_builtins(record)))


def _repair(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repair(key): _repair(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_repair(item) for item in value]
    return value
