"""The experiment file: from TOML or JSON text to an Experiment, and back to JSON without loss.

``load_experiment`` decodes and no more. Callers that report what is wrong besides (``loading``, the commands,
the API) use ``read_document`` and ``draft.decode_draft``, and ask the document for the lines of all problems.
Nothing here runs an experiment or knows which stages exist.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from .aliases import apply_aliases
from .decoding import collect
from .errors import ExperimentError, Problem
from .experiment import Experiment
from .overrides import apply_overrides
from .paths import is_within, parent
from .positions import json_duplicates, json_lines, toml_lines
from .syntax_hints import json_hint, long_number_line, toml_hint, toml_message
from .toml_keys import has_longer_key

__all__ = [
    "Document",
    "Syntax",
    "decode_document",
    "decode_experiment_json",
    "encode_experiment",
    "load_experiment",
    "parse_document",
    "read_document",
]

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100

Syntax = Literal["toml", "json"]

_TOML_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed file: its data with overrides and aliases applied, and its text to find lines in."""

    data: dict[str, Any]
    text: str
    syntax: Syntax
    source: str
    """How errors name the file."""
    overridden: Mapping[str, str]
    """Path that ``--set`` changed -> key as given."""

    def located(self, problems: Sequence[Problem]) -> list[Problem]:
        """The problems by line, then those without one; a ``--set`` that one comes from is named instead."""
        if not problems:
            return []
        lines = toml_lines(self.text) if self.syntax == "toml" else json_lines(self.text)
        located = [self._located(problem, lines) for problem in problems]
        return sorted(located, key=lambda problem: problem.line or len(self.text) + 1)

    def _located(self, problem: Problem, lines: Mapping[str, int]) -> Problem:
        if problem.line is not None:
            return problem
        for path, key in self.overridden.items():
            if is_within(problem.path, path):
                return Problem(problem.path, f"{problem.message} (from --set {key})")
        path = problem.path
        while path and path not in lines:
            path = parent(path)
        return Problem(problem.path, problem.message, lines.get(path))


def load_experiment(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a TOML or JSON file; raises ExperimentError naming file, line and path."""
    return decode_document(read_document(Path(path), overrides))


def decode_document(document: Document) -> Experiment:
    """The experiment of a parsed file; raises ExperimentError with every problem of decoding."""
    experiment, problems = collect(document.data, Experiment)
    if experiment is None:
        raise ExperimentError(document.located(problems), document.source)
    return experiment


def encode_experiment(experiment: Experiment) -> bytes:
    """The experiment as JSON; ``decode_experiment_json`` gives an equal one back."""
    return msgspec.json.encode(experiment)


def decode_experiment_json(data: bytes, *, source: str = "experiment") -> Experiment:
    """The experiment of JSON bytes; raises ExperimentError."""
    return decode_document(parse_document(data, source=source, syntax="json"))


def read_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Read and parse a file; raises ExperimentError with one clear line when that is impossible."""
    source = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refused(source, "no such file") from None
    except IsADirectoryError:
        raise _refused(source, "is a folder, expected a TOML or JSON file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise _refused(source, f"cannot be read: {reason}") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        raise _refused(source, "is YAML by its name; expected a TOML or JSON file")
    suffixes: dict[str, Syntax] = {".toml": "toml", ".json": "json"}
    return parse_document(data, source=source, syntax=suffixes.get(path.suffix.lower()), overrides=overrides)


def parse_document(
    data: bytes,
    *,
    source: str,
    syntax: Syntax | None = None,
    overrides: Sequence[str] = (),
    max_depth: int = MAX_DEPTH,
) -> Document:
    """Parse bytes; without ``syntax`` a text that starts with ``{`` is JSON and any other is TOML."""
    text = _text(data, source)
    if syntax is None:
        syntax = "json" if text.lstrip().startswith("{") else "toml"
    if syntax == "toml" and has_longer_key(text, max_depth):
        raise _refused(source, _too_deep(max_depth))
    try:
        parsed = _parse_toml(text, source) if syntax == "toml" else _parse_json(text, source)
    except RecursionError:
        raise _refused(source, _too_deep(max_depth)) from None
    if not isinstance(parsed, dict):
        kind = "list" if isinstance(parsed, list) else "single value"
        raise _refused(source, f"expected a table at the top level, got a {kind}")
    changed, overridden, problems = apply_overrides(parsed, overrides)
    if _is_deep(changed, max_depth):
        raise _refused(source, _too_deep(max_depth))
    if problems:
        raise ExperimentError(problems)
    return Document(
        data=apply_aliases(changed), text=text, syntax=syntax, source=source, overridden=overridden
    )


def _refused(source: str, message: str, line: int | None = None) -> ExperimentError:
    return ExperimentError([Problem("", message, line)], source)


def _too_deep(levels: int) -> str:
    return f"tables and lists are nested deeper than {levels} levels"


def _text(data: bytes, source: str) -> str:
    """The bytes as text, or the reason why they are none."""
    if len(data) > MAX_BYTES:
        raise _refused(source, f"is larger than {MAX_BYTES // 1024**2} MiB; an experiment file is small")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(source, "is UTF-16 text; save it as UTF-8")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise _refused(source, "is empty")
    nul = data.find(b"\0")
    if nul >= 0:
        raise _refused(source, f"NUL byte at offset {nul}; is this a text file?", _line_at(data, nul))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = _line_at(data, error.start)
        bad = data[error.start]
        raise _refused(source, f"not UTF-8: byte 0x{bad:02x} at offset {error.start}", line) from None


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _parse_toml(text: str, source: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, place = str(error), _TOML_PLACE.search(str(error))
        if place is None:
            raise _refused(source, f"TOML syntax: {message}") from None
        message = message[: place.start()]
        told = f"TOML syntax: {toml_message(message)}"
        if place["line"] is None:
            last = text.rstrip("\n").count("\n") + 1
            raise _refused(source, f"{told} at the end of the file", last) from None
        line, column = int(place["line"]), int(place["column"])
        rest = text.splitlines()[line - 1][column - 1 :] if text.count("\n") >= line - 1 else ""
        raise _refused(source, f"{told} at column {column}{toml_hint(message, rest)}", line) from None
    except ValueError:  # an integer longer than Python reads
        raise _refused(source, "TOML syntax: a number has too many digits", long_number_line(text)) from None


def _parse_json(text: str, source: str) -> Any:
    repeated: list[str] = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            repeated.extend(made)
        return made

    try:
        data = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        message = f"JSON syntax: {error.msg} at column {error.colno}{json_hint(text, error.pos)}"
        raise _refused(source, message, error.lineno) from None
    except ValueError:
        raise _refused(source, "JSON syntax: a number has too many digits", long_number_line(text)) from None
    if repeated and not _is_deep(data):
        problems = [Problem(path, "key is given twice", line) for path, line in json_duplicates(text)]
        raise ExperimentError(problems, source)
    return data


def _is_deep(data: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether the data nests deeper than that; a loop, because recursion is what it guards."""
    level = [data]
    for _ in range(levels):
        level = [inner for node in level for inner in _inner(node)]
        if not level:
            return False
    return True


def _inner(node: Any) -> list[Any]:
    inner = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    return [each for each in inner if isinstance(each, dict | list)]
