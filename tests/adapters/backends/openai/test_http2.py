"""HTTP/2, where the package h2 is installed; against a server of h2's own, without TLS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .support import asking, question

connection = pytest.importorskip("h2.connection")
config = pytest.importorskip("h2.config")
h2_events = pytest.importorskip("h2.events")

REPLY = {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}

REPLY_BODY = json.dumps(REPLY).encode()


class Http2Server(asyncio.Protocol):
    """Answers at once, but leaves the first request to /hang open."""

    def __init__(self, seen: list[Http2Server], hanging: asyncio.Event) -> None:
        self.h2 = connection.H2Connection(config=config.H2Configuration(client_side=False))
        self.reset = asyncio.Event()
        self.hanging = hanging
        self.paths: dict[int, str] = {}
        self.keys: list[bytes | None] = []
        seen.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.h2.initiate_connection()
        transport.write(self.h2.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:
        del exc

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, h2_events.RequestReceived):
                self.paths[event.stream_id] = dict(event.headers)[b":path"].decode()
                self.keys.append(dict(event.headers).get(b"idempotency-key"))
            elif isinstance(event, h2_events.StreamReset):
                self.reset.set()
            elif isinstance(event, h2_events.StreamEnded):
                self.answer(event.stream_id)
        self.transport.write(self.h2.data_to_send())

    def answer(self, stream: int) -> None:
        if self.paths[stream].startswith("/hang") and not self.hanging.is_set():
            self.hanging.set()
            return
        self.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
        self.h2.send_data(stream, REPLY_BODY, end_stream=True)


@pytest.fixture
def hanging() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def http2(hanging: asyncio.Event) -> AsyncIterator[tuple[str, list[Http2Server]]]:
    seen: list[Http2Server] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Http2Server(seen, hanging), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    server.close()
    for each in seen:
        each.transport.abort()
    await asyncio.sleep(0)


async def test_concurrent_requests_share_a_connection(http2: tuple[str, list[Http2Server]]) -> None:
    url, seen = http2
    async with asking(f"{url}/v1", http2=True) as sampler:
        replies = await asyncio.gather(*(sampler.sample(question()) for _ in range(20)))
    assert {reply.completions[0].text for reply in replies} == {"hi"}
    assert sum(len(each.paths) for each in seen) == 20
    assert len(seen) < 20


async def test_each_call_has_its_key(http2: tuple[str, list[Http2Server]]) -> None:
    url, seen = http2
    for on in (True, False):
        async with asking(f"{url}/v1", http2=True, max_connections=1, idempotency_key=on) as sampler:
            for text in ("a", "b", "a"):
                await sampler.sample(question(text))
    (first, other, again), without = seen[0].keys, seen[1].keys
    assert first == again != other
    assert first is not None
    assert without == [None] * 3


async def test_a_cancelled_request_resets_its_stream_only(
    http2: tuple[str, list[Http2Server]], hanging: asyncio.Event
) -> None:
    url, seen = http2
    async with asking(f"{url}/hang/v1", http2=True, max_connections=1) as sampler:
        task = asyncio.create_task(sampler.sample(question()))
        await hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await seen[0].reset.wait()
        assert (await sampler.sample(question())).completions[0].text == "hi"
    assert len(seen) == 1
