"""Posts JSON to one server: over connections of our own (``own_wire``), or by httpx (``httpx_wire``).

Loaded when a backend is opened. An httpx.AsyncClient would add redirects, cookies and a log line per request,
none of which is wanted, and 0.5 ms of CPU; httpx's pool scans all its connections for every request.
"""

from __future__ import annotations

import importlib.util
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx

from ....messages.errors import BackendError, ConnectionFailedError, MalformedReplyError
from .address import Origin, is_loopback, parse_base_url
from .options import OpenAIOptions
from .own_wire import OwnWire
from .pool import Pool
from .secret import Secret

__all__ = ["HttpClient", "HttpReply"]

LONGEST_ERROR_BODY = 64 * 1024


class WireReply(Protocol):
    """What comes back over a wire."""

    status: int
    headers: Mapping[str, str]

    def body(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive; read once."""
        ...

    async def short_body(self, most: int) -> bytes | None:
        """The whole body at once, if it is known to have at most so many bytes; else None."""
        ...

    async def aclose(self) -> None:
        """Give up what was not read."""
        ...


class Wire(Protocol):
    """A way to the server."""

    async def send(self, target: bytes, body: bytes, key: bytes | None = None) -> WireReply:
        """Post to a path, with an idempotency key; raises TransientError and BackendError only."""
        ...

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        ...


class HttpReply:
    """Status, headers and a body that is read once."""

    def __init__(self, reply: WireReply, most: int) -> None:
        self._reply = reply
        self._most = most
        self.status = reply.status
        self.headers = reply.headers

    async def read(self) -> bytes:
        """The whole body; raises BackendError above the bound. Of a refusal only the start is read."""
        parts, size = [], 0
        ok = 200 <= self.status < 300
        if ok and (whole := await self._reply.short_body(self._most)) is not None:
            return whole
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
        async for piece in self._reply.body():
            size += len(piece)
            if size > self._most:
                raise BackendError(f"the reply is longer than max_reply_bytes = {self._most}")
            yield piece


class HttpClient:
    """Posts JSON to one server. Safe to use concurrently."""

    def __init__(self, options: OpenAIOptions, secrets: Mapping[str, Secret]) -> None:
        """``secrets`` are the values of headers by name."""
        self._most = options.max_reply_bytes
        plain = {"user-agent": "crucible", **options.headers}
        headers = plain | {name: secret.reveal() for name, secret in secrets.items()}
        headers |= {
            "host": httpx.URL(options.base_url).netloc.decode("ascii"),
            "content-type": "application/json",
            "accept": "text/event-stream, application/json" if options.stream else "application/json",
            "accept-encoding": "identity",
        }
        self._base = httpx.URL(options.base_url.rstrip("/"))
        self._targets: dict[str, bytes] = {}
        self._wire = _wire(options, httpx.Headers(headers))

    def post(
        self, path: str, body: bytes, key: bytes | None = None
    ) -> AbstractAsyncContextManager[HttpReply]:
        """Send, with an idempotency key, and hand out the reply as soon as its head is there.

        Leaving the block before the body was read, by an error or by cancellation, closes the connection
        (HTTP/1.1) or resets the stream (HTTP/2). Raises TransientError and BackendError only.
        """
        target = self._targets.get(path)
        if target is None:
            url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
            target = self._targets[path] = url.raw_path
        return _Exchange(self._wire, target, body, key, self._most)

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._wire.aclose()


class _Exchange:
    """The block of one ``post``. A class, because a generator costs twice as much."""

    __slots__ = ("_body", "_key", "_most", "_reply", "_target", "_wire")

    def __init__(self, wire: Wire, target: bytes, body: bytes, key: bytes | None, most: int) -> None:
        self._wire, self._target, self._body, self._key, self._most = wire, target, body, key, most

    async def __aenter__(self) -> HttpReply:
        self._reply = await self._wire.send(self._target, self._body, self._key)
        coding = self._reply.headers.get("content-encoding", "identity")
        if coding != "identity":
            await self._reply.aclose()
            raise MalformedReplyError(f"the reply has a content-encoding nobody asked for: {coding[:20]}")
        return HttpReply(self._reply, self._most)

    async def __aexit__(self, *_error: object) -> None:
        await self._reply.aclose()


def _wire(options: OpenAIOptions, headers: httpx.Headers) -> Wire:
    origin = parse_base_url(options.base_url)
    has_h2 = importlib.util.find_spec("h2") is not None
    secure = origin.scheme == "https"
    http2 = options.http2 is True or (options.http2 == "auto" and has_h2 and secure)
    proxy = _proxy(origin)
    tls = ssl_context() if secure else None
    if not http2 and proxy is None:
        most, connect_timeout_s = options.max_connections, options.connect_timeout_s
        pool = Pool(origin, tls=tls, most=most, connect_timeout_s=connect_timeout_s)
        return OwnWire(pool, headers.raw, options.read_timeout_s)
    from .httpx_wire import HttpxWire

    return HttpxWire(options, origin, headers, tls=tls, http2=http2, proxy=proxy)


def ssl_context() -> ssl.SSLContext:
    """The system's and httpx's usual checks of a certificate."""
    return httpx.create_ssl_context()


def _proxy(origin: Origin) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY, ...) names; none for our own machine."""
    proxies = urllib.request.getproxies_environment()
    if is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    return proxies.get(origin.scheme) or proxies.get("all")
