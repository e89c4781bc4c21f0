"""Driving operations on a connection to PostgreSQL: step by step, inside a transaction of the caller's.

Turns (``Hold``) are advisory locks that end with the transaction. Those of "events" end after the commit is
visible, so event numbers become visible in their order, at the price of one commit with events at a time.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, TypeVar

from .steps import Ask, Do, Hold, Now, Steps

__all__ = ["CLOCK", "Driver"]

CLOCK = "extract(epoch FROM clock_timestamp())"

T = TypeVar("T")


class Driver:
    """The names of one queue in a database: its schema, locks and channel."""

    def __init__(self, schema: str, clock: str) -> None:
        """``clock`` is an SQL expression."""
        self.channel = f"{schema}_changed"
        self._schema = schema
        self._now = f"SELECT ({clock})::double precision"

    async def drive(self, steps: Steps[T], connection: Any) -> T:
        """What an operation comes to."""
        reply: Any = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as stop:
                value: T = stop.value
                return value
            match step:
                case Ask(sql, args, lock):
                    reply = await connection.fetch(_numbered(sql) + lock, *args)
                case Do(sql, args):
                    reply = _count(await connection.execute(_numbered(sql), *args))
                case Now():
                    reply = await connection.fetchval(self._now)
                case Hold(name):
                    await self._take_turn(connection, name)
                    reply = None

    async def prepare(self, connection: Any) -> None:
        """Make the schema if need be; one at a time, so that daemons may start together."""
        await self._take_turn(connection, "migrate")
        if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", self._schema):
            await connection.execute(f"CREATE SCHEMA {self._schema}")  # which not every user may

    async def _take_turn(self, connection: Any, name: str) -> None:
        number = zlib.crc32(f"crucible {self._schema} {name}".encode())
        if name == "events":  # who listens is woken once the transaction is committed
            sql = "SELECT pg_advisory_xact_lock($1), pg_notify($2, '')"
            await connection.execute(sql, number, self.channel)
        else:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", number)


def _count(status: str) -> int:
    """Rows of a command tag such as ``INSERT 0 1``."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


@lru_cache(maxsize=512)
def _numbered(sql: str) -> str:
    """With $1, $2 instead of the question marks; no text in our statements has one."""
    head, *rest = sql.split("?")
    return head + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))
