"""A server with OpenAI's interface and all the faults of real ones; run as a process of its own.

The first part of the path names the test, the second the behaviour: /<test>/<behaviour>/v1/chat/completions.
GET /<test>/log gives the events of a test so far, GET /<test>/wait/<event> waits for one (at most 5 s), and
GET /<test>/wait/<event>/<n> for the n-th.
It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[["Exchange"], Awaitable[None]]
WORDS = ["Grüße", " aus", " 東京", " 🍵", "."]
HANDLERS: dict[str, Handler] = {}
EVENTS: dict[str, list[dict[str, Any]]] = defaultdict(list)
HAPPENED = asyncio.Condition()
CONNECTIONS = iter(range(1, 1_000_000))


def handler(function: Handler) -> Handler:
    HANDLERS[function.__name__] = function
    return function


async def note(test: str, event: str, **facts: Any) -> None:
    async with HAPPENED:
        EVENTS[test].append({"event": event, **facts})
        HAPPENED.notify_all()


class Exchange:
    """One request and the means to answer it."""

    def __init__(
        self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.path, self.reader, self.writer = path, reader, writer
        self.asked: dict[str, Any] = json.loads(body) if body else {}
        self.close = False

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def head(self, status: str = "200 OK", **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode())

    def reply(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        given = {"content_type": "application/json", "content_length": str(len(body)), **headers}
        self.head(status, **given)
        self.send(body)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def until_closed(self) -> None:
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1):
                pass

    @property
    def prompt(self) -> str:
        return str(self.asked["prompt"] if "prompt" in self.asked else self.asked["messages"][-1]["content"])


def completion(exchange: Exchange, n: int | None = None, **extra: Any) -> bytes:
    asked = exchange.asked
    choices: list[dict[str, Any]] = []
    for index in range(asked.get("n", 1) if n is None else n):
        text = f"{exchange.prompt}|{asked.get('seed')}|{index}"
        choice: dict[str, Any] = {"index": index, "finish_reason": "stop"}
        if "prompt" in asked:
            choice["text"] = text
            if "logprobs" in asked:
                choice["logprobs"] = {"token_logprobs": [None, -0.5, -1.5], "tokens": ["a", "b", "c"]}
        else:
            choice["message"] = {"role": "assistant", "content": text}
            if asked.get("logprobs"):
                choice["logprobs"] = {
                    "content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]
                }
        choices.append(choice)
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}
    return json.dumps({"model": "served", "choices": choices, "usage": usage, **extra}).encode()


def events(*, finish: str | None = "stop", done: bool = True, usage: bool = True) -> bytes:
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    ]
    for word in WORDS:
        choice = {"index": 0, "delta": {"content": word}, "logprobs": {"content": [{"logprob": -0.5}]}}
        chunks += [{"model": "served", "choices": [choice]}]
    if finish:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        chunks.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return "".join([": hello\r\n\r\n", *lines, "data: [DONE]\n\n" if done else ""]).encode()


@handler
async def ok(exchange: Exchange) -> None:
    exchange.reply(completion(exchange))


@handler
async def one_choice(exchange: Exchange) -> None:
    exchange.reply(completion(exchange, n=1))


@handler
async def uncounted(exchange: Exchange) -> None:
    exchange.reply(completion(exchange, usage=None))


@handler
async def closing(exchange: Exchange) -> None:
    exchange.close = True
    exchange.reply(completion(exchange), connection="close")


@handler
async def until_the_end(exchange: Exchange) -> None:
    """A body that ends with the connection."""
    exchange.close = True
    exchange.head(content_type="application/json")
    exchange.send(completion(exchange))


@handler
async def chunked(exchange: Exchange) -> None:
    """Chunks with an extension and a trailer, after an interim reply."""
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
    exchange.head(transfer_encoding="chunked", content_type="application/json")
    body = completion(exchange)
    for start in range(0, len(body), 7):
        exchange.send(b"%x;a=b\r\n%s\r\n" % (len(body[start : start + 7]), body[start : start + 7]))
    exchange.send(b"0\r\nx-trailer: y\r\n\r\n")


@handler
async def chatty(exchange: Exchange) -> None:
    """Sends a second reply that nobody asked for, in the same packet."""
    exchange.head(content_type="application/json", content_length=str(len(completion(exchange))))
    body, unasked = completion(exchange), completion(exchange, model="unasked")
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(unasked)}\r\n\r\n".encode()
    exchange.send(body + head + unasked)


@handler
async def chatty_later(exchange: Exchange) -> None:
    """Sends a second reply once the first was read, and says when it did."""
    exchange.reply(completion(exchange))
    exchange.reply(completion(exchange, model="unasked"))
    await exchange.writer.drain()
    await note(exchange.path.split("/")[1], "unasked")


@handler
async def silent(exchange: Exchange) -> None:
    await exchange.until_closed()


@handler
async def drip(exchange: Exchange) -> None:
    exchange.head(content_length="1000000")
    closed = asyncio.create_task(exchange.until_closed())
    while not closed.done():
        exchange.send(b" ")
        await asyncio.wait([closed], timeout=0.02)


@handler
async def huge(exchange: Exchange) -> None:
    """100 MB, unless the client hangs up first."""
    exchange.head(transfer_encoding="chunked", content_type="application/json")
    for _ in range(100):
        exchange.chunk(b" " * 1_000_000)
        await exchange.writer.drain()
    exchange.send(b"0\r\n\r\n")


@handler
async def cut_length(exchange: Exchange) -> None:
    exchange.close = True
    exchange.head(content_length="10000")
    exchange.send(completion(exchange)[:50])


@handler
async def cut_chunk(exchange: Exchange) -> None:
    exchange.close = True
    exchange.head(transfer_encoding="chunked")
    exchange.send(b"ff\r\n" + completion(exchange)[:50])


@handler
async def cut_head(exchange: Exchange) -> None:
    exchange.close = True
    exchange.send(b"HTTP/1.1 200 OK\r\ncontent-le")


@handler
async def hang_up(exchange: Exchange) -> None:
    exchange.close = True


@handler
async def reset(exchange: Exchange) -> None:
    """A body that would end with the connection, which is reset."""
    exchange.close = True
    exchange.head(content_type="application/json")
    exchange.send(completion(exchange))
    await exchange.writer.drain()
    raw = exchange.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


@handler
async def no_http(exchange: Exchange) -> None:
    exchange.close = True
    exchange.send(b"220 mail.example ESMTP\r\n\r\n")


@handler
async def two_lengths(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")


@handler
async def gzipped(exchange: Exchange) -> None:
    exchange.reply(b"\x1f\x8b", content_encoding="gzip")


@handler
async def html(exchange: Exchange) -> None:
    exchange.reply(b"<html>hello</html>", content_type="text/html")


@handler
async def half_json(exchange: Exchange) -> None:
    exchange.reply(completion(exchange)[:-20])


@handler
async def bad_utf8(exchange: Exchange) -> None:
    exchange.reply(completion(exchange).replace(b"served", b"\xff\xfe"))


@handler
async def no_choices(exchange: Exchange) -> None:
    exchange.reply(completion(exchange, n=0))


@handler
async def rate_limited(exchange: Exchange) -> None:
    body = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    exchange.reply(body, "429 Too Many Requests", retry_after="7")


@handler
async def gateway(exchange: Exchange) -> None:
    """Answers a key that it knows as before; while it is still at work on that key, it says so.

    The first answer to "slow" takes until its client has gone.
    """
    test = exchange.path.split("/")[1]
    key = EVENTS[test][-1]["headers"].get("idempotency-key")
    given = next((e for e in EVENTS[test] if e["event"] == "given" and key == e["key"]), None)
    at_work = [e for e in EVENTS[test] if e["event"] == "at_work" and key == e["key"]]
    if given is not None:
        exchange.reply(completion(exchange, model=given["model"]))
    elif at_work and len(at_work) < 2:
        await note(test, "at_work", key=key)
        exchange.reply(b"{}", "409 Conflict", retry_after="0")
    elif exchange.prompt == "slow" and not at_work:
        await note(test, "at_work", key=key)
        await exchange.until_closed()
    else:
        model = f"answer {sum(e['event'] == 'given' for e in EVENTS[test])}"
        await note(test, "given", key=key, model=model)
        exchange.reply(completion(exchange, model=model))


@handler
async def no_model(exchange: Exchange) -> None:
    error = {"message": f"The model `{exchange.asked['model']}` does not exist", "code": "model_not_found"}
    exchange.reply(json.dumps({"error": error}).encode(), "404 Not Found")


@handler
async def broken(exchange: Exchange) -> None:
    exchange.reply(b"Internal Server Error", "500 Internal Server Error", content_type="text/plain")


@handler
async def storm(exchange: Exchange) -> None:
    """Refuses the first request for every prompt."""
    test, prompt = exchange.path.split("/")[1], exchange.asked["messages"]
    asked = [event for event in EVENTS[test] if event["event"] == "request"]
    if sum(event["body"]["messages"] == prompt for event in asked) == 1:
        exchange.reply(b'{"error": "slow down"}', "429 Too Many Requests", retry_after="0")
    else:
        exchange.reply(completion(exchange))


@handler
async def one_choice_then_rate_limited(exchange: Exchange) -> None:
    await (one_choice if exchange.asked["n"] > 2 else rate_limited)(exchange)


@handler
async def rate_limited_for_a_day(exchange: Exchange) -> None:
    exchange.reply(b'{"error": "come back tomorrow"}', "429 Too Many Requests", retry_after="86400")


@handler
async def unauthorized(exchange: Exchange) -> None:
    """Quotes the key, as some servers do."""
    key = EVENTS[exchange.path.split("/")[1]][-1]["headers"].get("authorization", "")
    error = {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}
    exchange.reply(json.dumps({"error": error}).encode(), "401 Unauthorized")


@handler
async def quoting(exchange: Exchange) -> None:
    key = EVENTS[exchange.path.split("/")[1]][-1]["headers"]["authorization"]
    exchange.reply(json.dumps({"error": {"message": f"you sent\n{key}"}}).encode(), "400 Bad Request")


@handler
async def redirect(exchange: Exchange) -> None:
    exchange.reply(b"", "307 Temporary Redirect", location=exchange.path.replace("redirect", "ok"))


@handler
async def stream(exchange: Exchange) -> None:
    """Two bytes a chunk, each sent on its own, so that characters and lines are split everywhere."""
    exchange.head(transfer_encoding="chunked", content_type="text/event-stream")
    data = events()
    for start in range(0, len(data), 2):
        exchange.chunk(data[start : start + 2])
        await exchange.writer.drain()
    exchange.send(b"0\r\n\r\n")


def streams(name: str, data: bytes) -> None:
    async def whole(exchange: Exchange) -> None:
        exchange.reply(data, content_type="text/event-stream")

    HANDLERS[name] = whole


@handler
async def stream_of_several(exchange: Exchange) -> None:
    """As many answers as were asked for, their words in turns."""
    choices = range(exchange.asked.get("n", 1))
    chunks = [{"choices": [{"index": i, "delta": {"content": f"{w}{i}"}}]} for w in "ab" for i in choices]
    chunks += [{"choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]} for i in choices]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    exchange.reply(f"{data}data: [DONE]\n\n".encode(), content_type="text/event-stream")


streams("stream_cut", events(finish=None, done=False))
streams("stream_without_done", events(done=False))
streams("stream_without_usage", events(usage=False))
streams("stream_of_nonsense", b"data: {nonsense}\n\n")
streams("stream_with_error", b'data: {"error": {"message": "out of memory", "code": 503}}\n\n')
streams("stream_empty", b"")


@handler
async def stream_then_silence(exchange: Exchange) -> None:
    exchange.head(transfer_encoding="chunked", content_type="text/event-stream")
    exchange.chunk(events()[:400])
    await exchange.until_closed()


async def report(parts: list[str]) -> bytes:
    test = parts[0]
    if parts[1] == "wait":
        event, times = parts[2], int(parts[3]) if len(parts) > 3 else 1
        async with asyncio.timeout(5), HAPPENED:
            await HAPPENED.wait_for(lambda: [e["event"] for e in EVENTS[test]].count(event) >= times)
    return json.dumps(EVENTS[test]).encode()


TLS_HANDSHAKE = b"\x16"


async def read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    try:
        first = await reader.readexactly(1)
        if first == TLS_HANDSHAKE:
            return "GET", "/no_tls", {}, b""
        raw = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = raw[0].split(" ")
        headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in raw[1:] if line)
        return method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection, test = next(CONNECTIONS), ""
    try:
        while (request := await read_request(reader)) is not None:
            method, path, headers, body = request
            parts = path.strip("/").split("/")
            exchange = Exchange(path, body, reader, writer)
            if path == "/no_tls":
                exchange.reply(b"this port speaks plain HTTP", "400 Bad Request", connection="close")
                break
            if method == "GET":
                exchange.reply(await report(parts))
                continue
            test = parts[0]
            await note(
                test, "request", connection=connection, path=path, headers=headers, body=exchange.asked
            )
            await HANDLERS[parts[1]](exchange)
            await writer.drain()
            if exchange.close:
                break
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
        if test:
            await note(test, "closed", connection=connection)


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_000_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
