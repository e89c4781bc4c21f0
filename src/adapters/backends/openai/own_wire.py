"""HTTP/1.1 over connections of our own pool: the way of every request without a proxy and without HTTP/2.

Used by ``client``. What is the same in every request is written once for each path. Making an httpx.Request
and an httpx.Response of each exchange took a sixth of the CPU of all that a request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from .http1 import Connection, Head
from .pool import Pool

__all__ = ["KEY_HEADER", "OwnWire"]

KEY_HEADER = b"idempotency-key"


class OwnReply:
    """Status, headers and body of one exchange; whoever has it closes it."""

    __slots__ = ("_connection", "_pool", "headers", "status")

    def __init__(self, head: Head, connection: Connection, pool: Pool) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = _joined(head.headers)
        self._connection: Connection | None = connection
        self._pool = pool

    def body(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive."""
        if self._connection is None:
            raise RuntimeError("the reply is closed")
        return self._connection.body()

    async def short_body(self, most: int) -> bytes | None:
        """See ``Connection``."""
        return None if self._connection is None else await self._connection.short_body(most)

    async def aclose(self) -> None:
        """Give the connection back; one whose body was not read whole is closed. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class OwnWire:
    """Posts to one server."""

    def __init__(self, pool: Pool, headers: Sequence[tuple[bytes, bytes]], read_timeout_s: float) -> None:
        self._pool = pool
        self._lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
        self._read_timeout_s = read_timeout_s
        self._heads: dict[bytes, bytes] = {}

    async def send(self, target: bytes, body: bytes, key: bytes | None = None) -> OwnReply:
        """Post to a path; the reply comes as soon as its head is there. ``key``: of this very call."""
        start = self._heads.get(target)
        if start is None:
            start = self._heads[target] = b"POST %s HTTP/1.1\r\n%scontent-length: " % (target, self._lines)
        line = b"" if key is None else b"%s: %s\r\n" % (KEY_HEADER, key)
        head = b"%s%d\r\n%s\r\n" % (start, len(body), line)
        connection = await self._pool.acquire()
        try:
            reply = await connection.exchange(head, body, self._read_timeout_s)
        except BaseException:
            connection.close()
            self._pool.release(connection)
            raise
        return OwnReply(reply, connection, self._pool)

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()
        await asyncio.sleep(0)  # lets the transports close their sockets before the loop may end


def _joined(fields: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name; the values of a repeated name are joined by commas (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw in fields:
        name, value = raw_name.decode("latin-1"), raw.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
