"""The outermost layer of the API: who may talk to it at all, how answers are labelled, when a reader is cut.

Every request passes here before anything looks at it:

- The Host header must name this machine or a name from ``api.hosts``. A page of another site whose name was
  made to lead here (DNS rebinding) still sends its own name.
- An Origin that is not this server is refused on every method, and so is what a browser sends on behalf of
  another site's page without an Origin (images, scripts), by Sec-Fetch-Site.
- HEAD is GET without a body; OPTIONS says which methods there are, and nothing about other sites.
- Every answer carries headers that forbid it to act: no sniffing, no scripts but those a handler allows.
- A client that takes no byte for ``slow_s`` seconds is cut off.

Who holds the token is asked later, in ``access``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

from .problems import MEDIA_TYPE, encode, problem

__all__ = ["LOOPBACK_NAMES", "Guard", "allowed_hosts"]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})
ASKED_AS = {"HEAD": "GET", "OPTIONS": "-"}
"""How a method is passed on. Of a method that is not there Litestar says which are; its own answer to OPTIONS
forgets some where several handlers share a path."""
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not listened on
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def allowed_hosts(host: str, more: Iterable[str]) -> frozenset[str]:
    """Names that a Host header may carry, without ports: the loopback's, the address's own, and ``more``."""
    own = set() if host in EVERYWHERE else {f"[{host}]" if ":" in host else host}
    return frozenset(name.lower() for name in LOOPBACK_NAMES | own | set(more))


def _host_name(header: str) -> str:
    """A Host header without its port."""
    name, colon, port = header.rpartition(":")
    return name if colon and port.isdigit() else header


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], slow_s: float = 30.0) -> None:
        self._app = app
        self._hosts = hosts
        self._slow_s = slow_s

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request; ``scope`` is that of ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no web sockets"})
            return
        exchange = _Exchange(scope["method"], receive, send, self._slow_s)
        refusal = self._refusal(scope["headers"])
        if refusal is not None:
            await exchange.refuse(*refusal)
            return
        if scope["method"] in ASKED_AS:
            scope = {**scope, "method": ASKED_AS[scope["method"]]}
        await self._app(scope, exchange.receive, exchange.send)

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Status and reason, if the request is not for us."""
        found: dict[bytes, list[str]] = {}
        for name, value in headers:
            found.setdefault(name, []).append(value.decode("latin-1").strip())
        hosts = found.get(b"host", [])
        if len(hosts) != 1:
            return 400, "expected one Host header"
        host = hosts[0].lower()
        if _host_name(host) not in self._hosts:
            return 421, "this name is not one of this server: see api.hosts of its settings"
        for origin in found.get(b"origin", []):
            if origin.lower() not in (f"http://{host}", f"https://{host}"):
                return 403, "requests on behalf of another site's page are refused"
        fetched = found.get(b"sec-fetch-site", ["none"])
        if fetched[-1] in ("cross-site", "same-site") and found.get(b"sec-fetch-mode") != ["navigate"]:
            return 403, "requests on behalf of another site's page are refused"
        return None


class _Exchange:
    """One request and its answer on their way through the guard."""

    def __init__(self, method: str, receive: Receive, send: Send, slow_s: float) -> None:
        self._method = method
        self._bodiless = method == "HEAD"
        self._receive = receive
        self._send = send
        self._slow_s = slow_s
        self._over = asyncio.Event()
        """Nothing more is sent: the reader was cut, or asked for the head only and has it."""

    async def refuse(self, status: int, reason: str) -> None:
        """Answer without asking the application."""
        body = encode(problem(status, reason))
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        start: Any = {"type": "http.response.start", "status": status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def receive(self) -> Any:
        """What the client sends; a disconnect once nothing more is sent to it."""
        if self._over.is_set():
            return {"type": "http.disconnect"}
        message = asyncio.ensure_future(self._receive())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((message, over), return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            for task in (message, over):
                task.cancel()

    async def send(self, message: Message) -> None:
        """Pass an answer's next part on, in time."""
        if self._over.is_set():
            return
        if message["type"] == "http.response.start":
            message = self._labelled(message)
        elif message["type"] == "http.response.body" and self._bodiless:
            message = {"type": "http.response.body", "body": b"", "more_body": False}
            self._over.set()
        try:
            async with asyncio.timeout(self._slow_s):
                await self._send(message)
        except TimeoutError:
            self._over.set()
            _abort(self._send)

    def _labelled(self, message: Any) -> Any:
        headers, status = list(message["headers"]), message["status"]
        if self._method == "OPTIONS" and status == 405:
            self._bodiless = True
            status, headers = 204, [pair for pair in headers if pair[0].lower() == b"allow"]
        given = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in HEADERS if name not in given]
        return {**message, "status": status, "headers": headers}


def _abort(send: Send) -> None:
    """Drop the connection. Closing it would wait for the reader who does not read.

    ASGI has no word for that; uvicorn's ``send`` is a method of an object that has the transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
