"""Secrets by reference: ``env:NAME`` or ``file:PATH`` becomes a value that does not show itself.

Called when an experiment is checked, so that a missing key stops the run before anything is spent, and when
the backend is opened. The value can be had by ``reveal`` only; it never appears in repr, str, JSON, a pickle
or an error.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from ....messages.errors import InputError

__all__ = ["Secret", "redact", "resolve"]

LARGEST_FILE = 16 * 1024
HIDDEN = "***"
SCHEMES = frozenset({"Bearer", "Basic", "Token"})


class Secret:
    """A value that does not show itself. Not a string, so that no formatter or encoder takes it for one."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value; call it only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, _spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]  # a hash would tell two equal secrets apart from others

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled or copied")


def resolve(reference: str) -> Secret:
    """The secret that ``env:NAME`` or ``file:PATH`` stands for.

    Raises InputError naming the variable or file when it is missing, empty or not a header value (one line of
    printable ASCII).
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        found = os.environ.get(place)
        if not found:
            state = "is not set" if found is None else "is empty"
            raise InputError(f"environment variable {place} {state}: expected the secret in it")
    elif kind == "file":
        found = _read(Path(place).expanduser())
    else:
        raise InputError("expected a reference env:NAME or file:PATH")
    value = found.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise InputError(f"{reference} holds no usable value: expected one line of ASCII text")
    return Secret(value)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path} is not a regular file")
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > LARGEST_FILE:
        raise InputError(f"{path} is longer than {LARGEST_FILE} bytes: expected a secret alone")
    return data.decode("utf-8", "replace")


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """The text without the secrets and their words, plain, URL-quoted, JSON-escaped or in base64."""
    forms = set[str]()
    for secret in secrets:
        for value in (secret.reveal(), *secret.reveal().split()):
            if value not in SCHEMES:
                forms |= {value, quote(value, safe=""), json.dumps(value)[1:-1]}
                forms.add(base64.b64encode(value.encode()).decode().rstrip("="))
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text
