"""On which line of a TOML or JSON text each key and list item stands.

The parsers of the standard library forget lines. This scanner walks a text that a parser has already
accepted, so it need not check anything: it only keeps track of the path. Called when there is a problem to
report, not on the good path.
"""

from __future__ import annotations

import bisect
import json
import re
import tomllib

from .paths import child, item

__all__ = ["json_duplicates", "json_lines", "toml_lines"]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_KEY_PART = re.compile(r"""[ \t]*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")


def toml_lines(text: str) -> dict[str, int]:
    """Path -> line (from 1) of every key, table header and list item of a valid TOML text."""
    scanner = _Scanner(text)
    scanner.statements()
    return scanner.lines


def json_lines(text: str) -> dict[str, int]:
    """Path -> line (from 1) of every key and list item of a valid JSON text."""
    scanner = _Scanner(text)
    scanner.value("", ":")
    return scanner.lines


def json_duplicates(text: str) -> list[tuple[str, int]]:
    """Path and line of every key that a JSON text gives a second time."""
    scanner = _Scanner(text)
    scanner.value("", ":")
    return scanner.repeated


class _Scanner:
    """A cursor over the text and what it has found so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[str, int] = {}
        self.repeated: list[tuple[str, int]] = []
        self._items: dict[str, int] = {}
        self._feeds = [match.start() for match in re.finditer("\n", text)]

    def statements(self) -> None:
        """TOML: headers and ``key = value`` lines up to the end."""
        table = ""
        self._gap()
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text.startswith("[", self.at):
                table = self._header(1)
            else:
                self._pair(table, "=")
            self._gap()

    def value(self, path: str, separator: str) -> None:
        """One value; keys and items inside it are recorded below ``path``."""
        self._gap()
        if self.text.startswith("{", self.at):
            self._table(path, separator)
        elif self.text.startswith("[", self.at):
            self._list(path, separator)
        else:
            found = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            assert found is not None
            self.at = found.end()

    def _table(self, path: str, separator: str) -> None:
        self.at += 1
        self._gap()
        while not self._takes("}"):
            self._pair(path, separator)
            self._gap()
            self._takes(",")
            self._gap()

    def _list(self, path: str, separator: str) -> None:
        self.at += 1
        self._gap()
        index = 0
        while not self._takes("]"):
            self.lines.setdefault(item(path, index), self._line())
            self.value(item(path, index), separator)
            self._gap()
            self._takes(",")
            self._gap()
            index += 1

    def _pair(self, table: str, separator: str) -> None:
        line = self._line()
        *parents, key = self._key()
        path = table
        for name in parents:
            path = child(path, name)
            self.lines.setdefault(path, line)
        path = child(path, key)
        if path in self.lines:
            self.repeated.append((path, line))
        self.lines.setdefault(path, line)
        self._gap()
        self._takes(separator)
        self.value(path, separator)

    def _header(self, brackets: int) -> str:
        """``[a.b]`` or ``[[a.b]]``: the path of the table that the following lines belong to."""
        line = self._line()
        self.at += brackets
        *parents, key = self._key()
        self.at += brackets
        path = ""
        for name in parents:
            path = self._latest(child(path, name), line)
        path = child(path, key)
        if brackets == 2:
            self._items[path] = self._items.get(path, -1) + 1
        return self._latest(path, line)

    def _latest(self, path: str, line: int) -> str:
        """The table at ``path``; for a list of tables, its newest item."""
        self.lines.setdefault(path, line)
        if path in self._items:
            path = item(path, self._items[path])
            self.lines.setdefault(path, line)
        return path

    def _key(self) -> list[str]:
        """A dotted key."""
        parts = []
        while True:
            found = _KEY_PART.match(self.text, self.at)
            assert found is not None
            self.at = found.end()
            parts.append(_unquoted(found[1]))
            if not self._takes("."):
                return parts

    def _gap(self) -> None:
        found = _GAP.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _takes(self, mark: str) -> bool:
        taken = self.text.startswith(mark, self.at)
        self.at += taken
        return taken

    def _line(self) -> int:
        return bisect.bisect_left(self._feeds, self.at) + 1


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    if token[0] == "'" or "\\" not in token:
        return token[1:-1]
    try:
        return str(json.loads(token, strict=False))
    except ValueError:  # an escape that only TOML has
        return str(tomllib.loads(f"key = {token}")["key"])
