"""Credentials in text: private keys, cloud and service keys, tokens, passwords.

Called by the guard with a view, under the ``pii`` switch. Known prefixes and assignments decide. It
deliberately does not measure the entropy of unknown words: commit hashes and sequences would be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .rules import Hit
from .view import View

__all__ = ["CATEGORIES", "find"]

CATEGORIES = ("private_key", "api_key", "jwt", "password")

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/=:,\- \r\n\\]*")
_TAIL = re.compile(r"[A-Za-z0-9+/_=-]*")
_WORD_TAIL = re.compile(r"[^\s\"']*")
_BARE = re.compile(r"\b(?:(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b|AIza[A-Za-z0-9_-]{35})")
_BARE_STARTS = ("akia", "asia", "abia", "acca", "aiza")
_PREFIXED = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,200}|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[A-Za-z0-9_-]{20,64}|xox[abeprs]-[A-Za-z0-9-]{10,200}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,128}"
    r"|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{30,255}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64})"
)
_PREFIX_WORDS = frozenset(
    {"sk", "rk", "pk", "ghp", "gho", "ghu", "ghs", "ghr", "github", "glpat", "hf", "npm", "pypi", "sg"}
    | {"xoxa", "xoxb", "xoxe", "xoxp", "xoxr", "xoxs"}
)
_KEY_WORDS = ("key", "secret", "token", "auth", "bearer")
_PASSWORD_WORDS = ("password", "passwd", "passphrase", "pwd")
_SHORTEST_PART = 8
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{8,4000}")
_ASSIGNED_KEY = re.compile(
    r"(?i:(?:api[_-]?key|secret|access[_-]?key|token|auth)[\w-]{0,12})[\"']?\s{0,3}(?:=|:|\bis\b)\s{0,3}[\"']?"
    r"([A-Za-z0-9+/_=-]{16,200})"
)
_PASSWORD = re.compile(
    r"(?i:\b(?:password|passwd|passphrase|pwd))[\"']?\s{0,3}[:=]\s{0,3}[\"']?([^\s\"']{6,128})"
)
_CALL = re.compile(r"[A-Za-z_][\w.]{0,60}[(\[{]")
_BEARER = re.compile(r"(?i:\bbearer) ([A-Za-z0-9._~+/-]{20,4000}={0,2})")
_URL_LOGIN = re.compile(r"://([^\s/:@]{1,64}:[^\s/@]{3,128})@")


def find(view: View) -> list[Hit]:
    """Hits at offsets of the original text."""
    return [hit.at(view.span(hit.start, hit.end)) for hit in _search(view)]


def _search(view: View) -> Iterator[Hit]:
    text, lower = view.cased, view.lower
    if not _PREFIX_WORDS.isdisjoint(view.words):
        yield from _tokens(text, "prefixed_key", "api_key", 0.95, _PREFIXED)
    if any(word.startswith(_BARE_STARTS) for word in view.numbered):
        yield from _tokens(text, "bare_key", "api_key", 0.97, _BARE)
    if "eyJ" in text:
        yield from _tokens(text, "jwt", "jwt", 0.95, _JWT)
    if _has_long_part(view) and any(word in lower for word in _KEY_WORDS):
        yield from _tokens(text, "assigned_key", "api_key", 0.85, _ASSIGNED_KEY)
        yield from _tokens(text, "bearer", "api_key", 0.9, _BEARER)
    if view.numbered and any(word in lower for word in _PASSWORD_WORDS):
        yield from _tokens(text, "password", "password", 0.82, _PASSWORD, _WORD_TAIL)
    if "-----BEGIN" in text:
        yield from _private_keys(text)
    if "@" in text and "://" in text:
        yield from (Hit("url_login", "password", 0.96, *match.span(1)) for match in _URL_LOGIN.finditer(text))


def _has_long_part(view: View) -> bool:
    """Whether a word looks like part of a key: letters and digits, not short."""
    return any(len(word) >= _SHORTEST_PART and not word.isdigit() for word in view.numbered)


def _tokens(
    text: str,
    name: str,
    category: str,
    confidence: float,
    pattern: re.Pattern[str],
    tail: re.Pattern[str] = _TAIL,
) -> Iterator[Hit]:
    """Matches, each stretched to the end of its word, so that no part of a long secret is left over."""
    match = pattern.search(text)
    while match:
        start, end = match.span(pattern.groups)
        rest = tail.match(text, end)
        end = rest.end() if rest else end
        value = text[start:end]
        if _mixed(value) and not _CALL.match(value):
            yield Hit(name, category, confidence, start, end)
        match = pattern.search(text, end)


def _mixed(value: str) -> bool:
    """Whether a value has letters and digits: words and placeholders such as "your-key-here" have not."""
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _private_keys(text: str) -> Iterator[Hit]:
    """Whole blocks; without an end line, everything that could belong to the block."""
    begin = _BEGIN.search(text)
    closed = True
    while begin:
        end = _END.search(text, begin.end()) if closed else None
        closed = end is not None
        stop = end or _BODY.match(text, begin.end())
        last = stop.end() if stop else begin.end()
        yield Hit("private_key", "private_key", 0.99, begin.start(), last)
        begin = _BEGIN.search(text, last)
