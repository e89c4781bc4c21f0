"""A response whose body an async generator makes: stopped when the client goes, and closed in every case.

Litestar's own streams leave a generator that waits at a ``yield``, or that was never begun, to the garbage
collector; ours hold a place among the event streams, or an open file, and give it back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, cast

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

__all__ = ["Body", "Streamed"]

Body = Callable[[], AsyncGenerator[bytes, None]]


class Streamed(Response[None]):
    """Pieces of a body as they come; ``close`` is called when it is over, however that comes about."""

    def __init__(
        self,
        body: Body,
        *,
        close: Callable[[], None],
        media_type: str,
        headers: Mapping[str, str],
        status_code: int = 200,
    ) -> None:
        super().__init__(None, media_type=media_type, headers=dict(headers), status_code=status_code)
        self._body = body
        self._close = close

    def to_asgi_response(self, *_arguments: Any, **_options: Any) -> ASGIResponse:
        """For Litestar, which wants an ASGI callable and no more."""
        headers = {"content-type": str(self.media_type), **self.headers}
        encoded = [(name.lower().encode(), str(value).encode("latin-1")) for name, value in headers.items()]
        return cast("ASGIResponse", _Stream(self._body, self._close, self.status_code or 200, encoded))


class _Stream:
    def __init__(
        self, body: Body, close: Callable[[], None], status: int, headers: list[tuple[bytes, bytes]]
    ) -> None:
        self._make = body
        self._close = close
        self._status = status
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the body ends or the client goes."""
        del scope
        writing = asyncio.ensure_future(self._write(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, leaving):
                task.cancel()
            ended = await asyncio.gather(writing, leaving, return_exceptions=True)
            self._close()
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _write(self, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        async with contextlib.aclosing(self._make()) as pieces:
            await send(start)
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
