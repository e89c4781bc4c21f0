"""HTTP/2, and whatever goes through a proxy: by httpx's transport. Used by ``client``."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from ....messages.errors import (
    BackendError,
    ConnectionFailedError,
    CrucibleError,
    MalformedReplyError,
    TimedOutError,
)
from .address import Origin
from .faults import bad_certificate
from .http2 import OpenStream
from .options import OpenAIOptions
from .own_wire import KEY_HEADER
from .pool import LONGEST_IDLE_S

__all__ = ["HttpxWire"]


class HttpxReply:
    """Status, headers and body of one exchange; whoever has it closes it."""

    def __init__(self, response: httpx.Response, opened: OpenStream, where: str) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._stream: Any = response.stream
        self._opened = opened
        self._where = where

    async def body(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive."""
        try:
            async for piece in self._stream:
                yield piece
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _ours(error, self._where) from error
        self._opened.finished = True

    async def short_body(self, most: int) -> None:
        """Always in pieces."""

    async def aclose(self) -> None:
        """Reset the stream unless it has ended."""
        try:
            await self._opened.reset()
            await self._stream.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _ours(error, self._where) from error


class HttpxWire:
    """Posts to one server; a request that is given up is reset, so that the server hears of it."""

    def __init__(
        self,
        options: OpenAIOptions,
        origin: Origin,
        headers: httpx.Headers,
        *,
        tls: ssl.SSLContext | None,
        http2: bool,
        proxy: str | None,
    ) -> None:
        logging.getLogger("hpack").setLevel(logging.WARNING)  # its debug lines would show the key
        self._where = f"{origin.host}:{origin.port}"
        self._headers = headers
        self._base = httpx.URL(options.base_url)
        timeouts = {"connect": options.connect_timeout_s, "read": options.read_timeout_s}
        self._timeout = {**timeouts, "write": options.read_timeout_s, "pool": None}
        self._direct = proxy is None
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls if tls is not None else False,
            http1=not http2 or tls is not None,
            http2=http2,
            proxy=proxy,
            limits=httpx.Limits(
                max_connections=options.max_connections,
                max_keepalive_connections=options.max_connections,
                keepalive_expiry=LONGEST_IDLE_S,
            ),
        )

    async def send(self, target: bytes, body: bytes, key: bytes | None = None) -> HttpxReply:
        """Post to a path; the reply comes as soon as its head is there. ``key``: of this very call."""
        headers = self._headers if key is None else [*self._headers.raw, (KEY_HEADER, key)]
        opened = OpenStream(self._inner._pool, direct=self._direct)
        url = self._base.copy_with(raw_path=target)
        extensions = {"timeout": self._timeout, "trace": opened.trace}
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            await opened.reset()
            if isinstance(error, httpx.HTTPError | httpx.StreamError):
                raise _ours(error, self._where) from error
            raise
        return HttpxReply(response, opened, self._where)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def _ours(error: Exception, where: str) -> CrucibleError:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectionFailedError(f"no connection to {where} in time")
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError("no byte from the server in time")
    if isinstance(error, httpx.RemoteProtocolError):
        return MalformedReplyError(f"the reply is not valid HTTP or was cut off: {text}")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return bad_certificate(where, cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.NetworkError | httpx.ProxyError):
        return ConnectionFailedError(f"the connection to {where} failed: {text}")
    return BackendError(f"the request to {where} could not be sent: {text}")
