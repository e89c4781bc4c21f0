"""TLS, and HTTP/2 where the server offers it: over real sockets, with a certificate of our own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from crucible.adapters.backends.openai import address
from crucible.messages.errors import BackendError

from .support import Server, asking, question
from .test_http2 import REPLY_BODY, Http2Server

TLS = Path(__file__).with_name("tls")
Start = Callable[[list[str]], Awaitable[str]]


class Http1Server(asyncio.Protocol):
    """Answers every request the same."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"POST ")
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(REPLY_BODY)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + REPLY_BODY)
        self.transport.close()


@pytest.fixture
def spoken() -> list[str]:
    """The protocol of each connection, as it was agreed on."""
    return []


@pytest.fixture
async def start(spoken: list[str]) -> AsyncIterator[Start]:
    """Starts a server that offers these protocols; its base URL."""
    servers: list[asyncio.Server] = []
    seen: list[Http2Server] = []

    class Either(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol() or "none"
            spoken.append(agreed)
            inner = Http2Server(seen, asyncio.Event()) if agreed == "h2" else Http1Server()
            transport.set_protocol(inner)
            inner.connection_made(transport)

    async def started(offers: list[str]) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
        context.set_alpn_protocols(offers)
        loop = asyncio.get_running_loop()
        servers.append(await loop.create_server(Either, "127.0.0.1", 0, ssl=context))
        return f"https://localhost:{servers[-1].sockets[0].getsockname()[1]}/v1"

    yield started
    for server in servers:
        server.close()
    for each in seen:
        each.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("offers", "http2", "agreed"),
    [
        (["h2", "http/1.1"], "auto", "h2"),
        (["h2", "http/1.1"], True, "h2"),
        (["http/1.1"], "auto", "http/1.1"),
        (["h2", "http/1.1"], False, "none"),
    ],
)
async def test_http2_is_spoken_where_it_is_offered_and_wanted(
    start: Start, spoken: list[str], offers: list[str], http2: object, agreed: str
) -> None:
    async with asking(await start(offers), http2=http2) as sampler:
        assert (await sampler.sample(question())).completions[0].text == "hi"
    assert spoken == [agreed]


@pytest.mark.parametrize("http2", ["auto", False])
async def test_a_certificate_that_nobody_vouches_for_is_refused_for_good(start: Start, http2: object) -> None:
    async with asking(await start(["h2", "http/1.1"]), http2=http2) as sampler:
        told = r"certificate of .* is not valid: self.signed certificate: .* SSL_CERT_FILE$"
        with pytest.raises(BackendError, match=told):
            await sampler.sample(question())


@pytest.mark.parametrize("http2", [True, False])
async def test_a_name_that_leads_to_a_refused_address_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, http2: bool
) -> None:
    monkeypatch.setattr(address, "METADATA_ADDRESSES", {"127.0.0.1"})
    async with asking(server.url("ok").replace("127.0.0.1", "localhost"), http2=http2) as sampler:
        with pytest.raises(BackendError, match="leads to a link-local or metadata address"):
            await sampler.sample(question())
    assert await server.requests() == []
