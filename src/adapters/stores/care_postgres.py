"""Looking after a queue in PostgreSQL. Called by ``crucible db``; daemons may go on meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .inspection import TABLES, Inspection, export_line, inspect, select_all
from .postgres import PostgresStore
from .postgres_address import SCHEMA, Address
from .postgres_driver import CLOCK, Driver

__all__ = ["check", "export", "upgrade", "vacuum"]


async def check(reference: str) -> Inspection:
    """Count everything; every run's state is looked at."""
    async with _snapshot(reference) as connection:
        return await Driver(SCHEMA, CLOCK).drive(inspect("the database"), connection)


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
    """Have the server give back room and renew its statistics."""
    async with Address(reference).connection() as connection:
        for table in TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{table}")


@asynccontextmanager
async def _snapshot(reference: str) -> AsyncIterator[Any]:
    async with (
        Address(reference).connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection
