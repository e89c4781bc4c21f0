"""Connections to one server, reused last-in first-out, at most so many at once.

Used by ``client``. The time that a request waits for a free connection is bounded by its caller. A connection
that served the last request is taken first, so that those not needed grow old and close.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address
from typing import Any

from ....messages.errors import BackendError, ConnectionFailedError
from .address import Origin, is_refused_peer
from .faults import bad_certificate
from .http1 import Connection

__all__ = ["LONGEST_IDLE_S", "Pool"]

LONGEST_IDLE_S = 4.0
"""Common servers close an idle connection after 5 s; a request sent into that would be lost."""


class Pool:
    """Hands out connections that nobody else uses."""

    def __init__(
        self, origin: Origin, *, tls: ssl.SSLContext | None, most: int, connect_timeout_s: float
    ) -> None:
        self._origin = origin
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._places = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()

    async def acquire(self) -> Connection:
        """A connection, idle or new; raises ConnectionFailedError, or BackendError when TLS is refused."""
        await self._places.acquire()
        try:
            return self._take_idle() or await self._connect()
        except BaseException:
            self._places.release()
            raise

    def release(self, connection: Connection) -> None:
        """Take it back; one that cannot be used again is closed."""
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._places.release()

    def close(self) -> None:
        """Close all, those in use too. Idempotent."""
        self._idle.clear()
        for connection in tuple(self._open):
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()

    def _take_idle(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - LONGEST_IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since < oldest:  # those below it are older still
                self._drop(connection)
                for other in self._idle:
                    self._drop(other)
                self._idle.clear()
            elif connection.reusable and connection.quiet():
                return connection
            else:
                self._drop(connection)
        return None

    async def _connect(self) -> Connection:
        origin = self._origin
        where = f"{origin.host}:{origin.port}"
        loop = asyncio.get_running_loop()
        # A number has one address to try. (A race between addresses that is cancelled at the moment it is won
        # leaves its socket open: asyncio drops it.) Other loops, such as uvloop's, try one after the other.
        races = isinstance(loop, asyncio.BaseEventLoop) and not _is_number(origin.host)
        delay: Any = {"happy_eyeballs_delay": 0.25} if races else {}
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    Connection, origin.host, origin.port, ssl=self._tls, **delay
                )
        except TimeoutError:
            raise ConnectionFailedError(
                f"no connection to {where} within {self._connect_timeout_s:g} s"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise bad_certificate(where, error.verify_message) from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConnectionFailedError(f"no connection to {where}: {reason}") from error
        self._open.add(connection)
        if is_refused_peer(connection.peer):
            self._drop(connection)
            raise BackendError(f"{where} leads to a link-local or metadata address, which is refused")
        return connection


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
