"""Where a PostgreSQL server is, and what asyncpg raises, without ever showing the address or its password.

The address is given by reference, ``env:NAME`` or ``file:PATH``, and errors name the reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from ...messages.errors import CrucibleError, InputError, StoreError
from ..backends.openai.secret import Secret, redact, resolve

__all__ = ["FAULTS", "SCHEMA", "STATEMENT_S", "Address"]

FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that the server has ended between two statements
    OSError,
    TimeoutError,
    UnicodeEncodeError,
)
"""What a connection or a statement may raise for no fault of ours."""

SCHEMA = "crucible"
STATEMENT_S = 30.0
"""Longest wait for a connection, and for a statement of a daemon."""

STALLED_MS = 5_000
"""How long a daemon may leave a transaction open without a word. Then the server ends it: a daemon that is
stopped, or whose machine is gone, would keep locks that all others wait for."""

_SETTINGS = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that only somebody's hand mends: no access, no such database or schema, no right."""


class Address:
    """A server, a database and a schema in it."""

    def __init__(self, reference: str, schema: str = SCHEMA) -> None:
        """Look the address up; InputError names the variable or file when there is none."""
        if not (schema.isascii() and schema.isidentifier() and schema == schema.lower()):
            raise InputError(f"{schema!r}: expected a schema name of lower-case letters, digits and _")
        self.schema = schema
        self._reference = reference
        self._url = resolve(reference)
        self._secrets = _secrets_of(self._url)
        self._options: dict[str, Any] = {
            "timeout": STATEMENT_S,
            "server_settings": {
                "search_path": schema,
                "synchronous_commit": "on",
                "application_name": "crucible",
            },
        }

    async def connect(self) -> asyncpg.Connection[Any]:
        """A connection; raises one of ``FAULTS``."""
        return await asyncpg.connect(self._url.reveal(), **self._options)

    async def pool(self, size: int) -> asyncpg.Pool[Any]:
        """A pool with one connection made. InputError when the address will not do, else StoreError."""
        told = {"idle_in_transaction_session_timeout": str(STALLED_MS)}
        options = {
            **self._options,
            "command_timeout": STATEMENT_S,
            "server_settings": self._options["server_settings"] | told,
        }
        try:
            return await asyncpg.create_pool(self._url.reveal(), min_size=1, max_size=size, **options)
        except (*FAULTS, ValueError) as error:
            raise self._unreachable(error) from None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection for a while, whose statements may take long, with errors of ours."""
        try:
            connection = await self.connect()
        except (*FAULTS, ValueError) as error:
            raise self._unreachable(error) from None
        try:
            yield connection
        except FAULTS as error:
            raise self.failure(error) from None
        finally:
            await connection.close()

    def failure(self, error: Exception) -> CrucibleError:
        """What went wrong with a statement."""
        text = self._told(error)
        state = getattr(error, "sqlstate", None) or ""
        if state == "42P01":
            return InputError(f"store.url: {self._reference}: holds no queue: run crucible db upgrade first")
        if state.startswith("22") or isinstance(error, UnicodeEncodeError):
            return InputError(f"a value that PostgreSQL cannot store: {text}")
        return StoreError(f"PostgreSQL: {text}")

    def _unreachable(self, error: Exception) -> CrucibleError:
        text = self._told(error)
        state = getattr(error, "sqlstate", None) or ""
        if state.startswith(_SETTINGS):
            return InputError(f"store.url: {self._reference}: PostgreSQL refuses: {text}")
        if isinstance(error, asyncpg.InterfaceError | ValueError):
            return InputError(
                f"store.url: {self._reference}: expected postgresql://USER:PASSWORD@HOST/DATABASE in it"
            )
        return StoreError(f"store.url: {self._reference}: PostgreSQL cannot be reached: {text}")

    def _told(self, error: Exception) -> str:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return error.strerror or type(error).__name__  # its text may name the host
        text = " ".join(str(error).split()) or type(error).__name__
        return redact(text, self._secrets)


def _secrets_of(url: Secret) -> list[Secret]:
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
