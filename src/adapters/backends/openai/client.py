"""Posts over HTTP by httpx; the only module that imports it, loaded when a backend is opened.

Requests go straight to an httpx transport. Around it httpx.AsyncClient would add redirects, cookies and a log
line per request, none of which is wanted, and 0.5 ms of CPU. HTTP/1.1 uses our own transport, since httpx's
pool scans all its connections for every request; HTTP/2 and proxies use httpx's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ....messages.errors import (
    BackendError,
    ConnectionFailedError,
    CrucibleError,
    MalformedReplyError,
    TimedOutError,
)
from .address import Origin, is_loopback, parse_base_url
from .http1 import Connection
from .http2 import OpenStream
from .options import OpenAIOptions
from .pool import LONGEST_IDLE_S, Pool
from .secret import Secret

__all__ = ["HttpClient", "HttpReply"]

LONGEST_ERROR_BODY = 64 * 1024


class HttpReply:
    """Status, headers and a body that is read once."""

    def __init__(self, response: httpx.Response, most: int) -> None:
        self._response = response
        self._most = most
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body; raises BackendError above the bound. Of a refusal only the start is read."""
        parts, size = [], 0
        ok = 200 <= self.status < 300
        try:
            async for piece in self.pieces():
                parts.append(piece)
                size += len(piece)
                if not ok and size >= LONGEST_ERROR_BODY:
                    break
        except (MalformedReplyError, ConnectionFailedError):
            if ok:
                raise
        return b"".join(parts)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, up to the bound."""
        size = 0
        stream = self._response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("expected an asynchronous reply")
        async for piece in stream:
            size += len(piece)
            if size > self._most:
                raise BackendError(f"the reply is longer than max_reply_bytes = {self._most}")
            yield piece


class HttpClient:
    """Posts JSON to one server. Safe to use concurrently."""

    def __init__(self, options: OpenAIOptions, secrets: Mapping[str, Secret]) -> None:
        """``secrets`` are the values of headers by name."""
        self._origin = parse_base_url(options.base_url)
        self._most = options.max_reply_bytes
        timeouts = {"connect": options.connect_timeout_s, "read": options.read_timeout_s}
        self._extensions = {"timeout": {**timeouts, "write": options.read_timeout_s, "pool": None}}
        plain = {"user-agent": "crucible", **options.headers}
        headers = plain | {name: secret.reveal() for name, secret in secrets.items()}
        headers |= {
            "host": httpx.URL(options.base_url).netloc.decode("ascii"),
            "content-type": "application/json",
            "accept": "text/event-stream, application/json" if options.stream else "application/json",
            "accept-encoding": "identity",
        }
        self._headers = httpx.Headers(headers)
        self._base = httpx.URL(options.base_url.rstrip("/"))
        self._urls: dict[str, httpx.URL] = {}
        self._transport = _transport(options, self._origin)

    @asynccontextmanager
    async def post(self, path: str, body: bytes) -> AsyncIterator[HttpReply]:
        """Send and hand out the reply as soon as its head is there.

        Leaving the block before the body was read, by an error or by cancellation, closes the connection
        (HTTP/1.1) or resets the stream (HTTP/2). Raises TransientError and BackendError only.
        """
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self._base.copy_with(path=self._base.path.rstrip("/") + path)
        request = httpx.Request("POST", url, headers=self._headers, content=body, extensions=self._extensions)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                coding = response.headers.get("content-encoding", "identity")
                if coding != "identity":
                    raise MalformedReplyError(
                        f"the reply has a content-encoding nobody asked for: {coding[:20]}"
                    )
                yield HttpReply(response, self._most)
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]  # an async transport's stream
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _ours(error, f"{self._origin.host}:{self._origin.port}") from error

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._transport.aclose()


class PooledTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections of our own pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; the reply's stream gives the connection back when it is closed."""
        target = request.url.raw_path
        lines = [b"%s: %s\r\n" % pair for pair in request.headers.raw]
        head = b"POST %s HTTP/1.1\r\n%s\r\n" % (target, b"".join(lines))
        connection = await self._pool.acquire()
        try:
            reply = await connection.exchange(head, request.content, request.extensions["timeout"]["read"])
        except BaseException:
            connection.close()
            self._pool.release(connection)
            raise
        return httpx.Response(
            reply.status, headers=reply.headers, stream=PooledStream(connection, self._pool)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()
        await asyncio.sleep(0)  # lets the transports close their sockets before the loop may end


class PooledStream(httpx.AsyncByteStream):
    """A reply's body."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection: Connection | None = connection
        self._pool = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._connection is not None:
            async for piece in self._connection.body():
                yield piece

    async def aclose(self) -> None:
        """Give the connection back; one whose body was not read whole is closed. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class ResettingTransport(httpx.AsyncBaseTransport):
    """httpx's own transport, which tells an HTTP/2 server when a request is given up."""

    def __init__(self, inner: httpx.AsyncHTTPTransport, *, direct: bool) -> None:
        """``direct``: no proxy stands between."""
        self._inner = inner
        self._direct = direct

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a request that fails or is cancelled is reset."""
        opened = OpenStream(self._inner._pool, direct=self._direct)
        request.extensions = {**request.extensions, "trace": opened.trace}
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            await opened.reset()
            raise
        response.stream = ResettingStream(response.stream, opened)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class ResettingStream(httpx.AsyncByteStream):
    """A reply's body; what was not read when it is closed is not wanted."""

    def __init__(self, inner: Any, opened: OpenStream) -> None:
        self._inner = inner
        self._opened = opened

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            yield piece
        self._opened.finished = True

    async def aclose(self) -> None:
        """Reset the stream unless it has ended."""
        await self._opened.reset()
        await self._inner.aclose()


def _transport(options: OpenAIOptions, origin: Origin) -> httpx.AsyncBaseTransport:
    has_h2 = importlib.util.find_spec("h2") is not None
    secure = origin.scheme == "https"
    http2 = options.http2 is True or (options.http2 == "auto" and has_h2 and secure)
    proxy = _proxy(origin)
    tls = ssl_context() if secure else None
    if not http2 and proxy is None:
        return PooledTransport(
            Pool(origin, tls=tls, most=options.max_connections, connect_timeout_s=options.connect_timeout_s)
        )
    logging.getLogger("hpack").setLevel(logging.WARNING)  # its debug lines would show the key
    inner = httpx.AsyncHTTPTransport(
        verify=tls if tls is not None else False,
        http1=not http2 or secure,
        http2=http2,
        proxy=proxy,
        limits=httpx.Limits(
            max_connections=options.max_connections,
            max_keepalive_connections=options.max_connections,
            keepalive_expiry=LONGEST_IDLE_S,
        ),
    )
    return ResettingTransport(inner, direct=proxy is None)


def ssl_context() -> ssl.SSLContext:
    """The system's and httpx's usual checks of a certificate."""
    return httpx.create_ssl_context()


def _proxy(origin: Origin) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY, ...) names; none for our own machine."""
    proxies = urllib.request.getproxies_environment()
    if is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    return proxies.get(origin.scheme) or proxies.get("all")


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
            return BackendError(f"the certificate of {where} is not valid: {cause.verify_message}")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.NetworkError | httpx.ProxyError):
        return ConnectionFailedError(f"the connection to {where} failed: {text}")
    return BackendError(f"the request to {where} could not be sent: {text}")
