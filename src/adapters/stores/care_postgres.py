"""Looking after a queue in PostgreSQL. Called by ``crucible db``; daemons may go on meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ...messages.errors import InputError
from .inspection import TABLES, Inspection, export_line, inspect, select_all
from .migrations import VERSIONS
from .postgres import PostgresStore
from .postgres_address import SCHEMA, Address
from .postgres_driver import CLOCK, Driver

__all__ = ["check", "export", "upgrade", "vacuum"]

_HIDDEN = "SELECT NOT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1"
_CLOSED = """
    SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1)
    AND relname = ANY($2) AND NOT has_table_privilege(oid, 'SELECT')
"""


async def check(reference: str) -> Inspection:
    """Count everything; every run's state is looked at. What the user may not read is told as unchecked."""
    async with _snapshot(reference) as connection:
        closed = {row[0] for row in await connection.fetch(_CLOSED, SCHEMA, [VERSIONS, *TABLES])}
        return await Driver(SCHEMA, CLOCK).drive(inspect("the database", closed), connection)


async def export(reference: str) -> AsyncIterator[bytes]:
    """Everything, as lines of JSON, from one snapshot."""
    async with _snapshot(reference) as connection:
        for table in TABLES:
            async for row in connection.cursor(select_all(table)):
                yield export_line(table, dict(row))


async def upgrade(reference: str) -> tuple[int, int]:
    """Make the tables, or bring them up to date; the schema before and now."""
    store = await PostgresStore.open(reference)
    await store.aclose()
    return store.versions


async def vacuum(reference: str) -> None:
    """Have the server give back room and renew its statistics. InputError for a user who may not."""
    async with Address(reference).connection() as connection:
        refused: list[str] = []  # of which the server warns only
        connection.add_log_listener(lambda _, told: refused.append(told.message))
        for table in TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{table}")
        if refused:
            raise InputError(f"{reference}: PostgreSQL: {refused[0]}: be the owner of the tables")


@asynccontextmanager
async def _snapshot(reference: str) -> AsyncIterator[Any]:
    async with (
        Address(reference).connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        hidden = await connection.fetchval(_HIDDEN, SCHEMA)
        if hidden:  # it would look as if there were no tables
            raise InputError(
                f"{reference}: its user may not look into the schema {SCHEMA}: "
                f"GRANT USAGE ON SCHEMA {SCHEMA} and SELECT ON ALL TABLES in it, or use another user"
            )
        yield connection
