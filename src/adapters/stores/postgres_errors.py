"""What asyncpg raises, as errors of ours: one line, without the address or anything in it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from ...messages.errors import CrucibleError, InputError, StoreError
from ..backends.openai.secret import Secret, redact

__all__ = ["FAULTS", "failure", "opening_failure", "secrets_of"]

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, UnicodeEncodeError)
"""What a statement may raise for no fault of ours."""

_SETTINGS = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that only somebody's hand mends: no access, no such database or schema, no right."""


def secrets_of(url: Secret) -> list[Secret]:
    """What must not be shown: the address, and the password in it."""
    found = [url]
    try:
        parts = urlsplit(url.reveal())
        given = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    except ValueError:
        return found
    for password in given:
        found += [Secret(form) for form in {password, unquote(password)} if form]
    return found


def failure(error: Exception, secrets: Iterable[Secret]) -> CrucibleError:
    """The error for the caller of a method."""
    text = _told(error, secrets)
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("22") or isinstance(error, ValueError):
        return InputError(f"a value that PostgreSQL cannot store: {text}")
    return StoreError(f"PostgreSQL: {text}")


def opening_failure(error: Exception, reference: str, secrets: Iterable[Secret]) -> CrucibleError:
    """The error for who opens the store."""
    text = _told(error, secrets)
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(_SETTINGS):
        return InputError(f"store.url: {reference}: PostgreSQL refuses: {text}")
    if isinstance(error, asyncpg.InterfaceError | ValueError):
        return InputError(f"store.url: {reference}: expected postgresql://USER:PASSWORD@HOST/DATABASE in it")
    return StoreError(f"store.url: {reference}: PostgreSQL cannot be reached: {text}")


def _told(error: Exception, secrets: Iterable[Secret]) -> str:
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return error.strerror or type(error).__name__  # its text may name the host
    text = " ".join(str(error).split()) or type(error).__name__
    return redact(text, secrets)
