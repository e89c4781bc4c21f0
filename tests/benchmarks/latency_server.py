"""A chat server of chosen latency for the benchmarks, a process of its own; needs nothing but Python.

    python tests/benchmarks/latency_server.py [--ms 10] [--slow-share 0.05] [--slow-factor 10] [--pareto 1.5]

Prints its port and ends with its standard input. Request number i is slow, or as slow as the Pareto law says,
by a hash of i and so the same in every run. ``GET /reset/N`` goes on with number N + 1 and answers with how
many requests there were. A client that hangs up frees its request at once.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from typing import Any

ANSWER = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    }
).encode()


def reply(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


WHOLE = reply(ANSWER)


class Server:
    """How long request i takes."""

    def __init__(self, ms: float, slow_share: float, slow_factor: float, pareto: float) -> None:
        self.seconds, self.slow_share, self.slow_factor = ms / 1000, slow_share, slow_factor
        self.pareto = pareto
        self.start = self.asked = 0

    def next_wait(self) -> float:
        self.asked += 1
        digest = hashlib.blake2b(str(self.asked).encode(), digest_size=7).digest()
        uniform = (int.from_bytes(digest, "big") + 1) / 2**56
        if self.pareto:  # median: the given milliseconds
            return self.seconds * float((2 * uniform) ** (-1 / self.pareto))
        return self.seconds * (self.slow_factor if uniform < self.slow_share else 1.0)


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        size = end + 4 + int(length or 0)
        if len(self._buffer) < size:
            return
        self._buffer = self._buffer[size:]
        if head.startswith(b"get /reset"):
            self._transport.write(reply(b"%d" % (self._server.asked - self._server.start)))
            self._server.start = self._server.asked = int(head.split(b" ")[1].split(b"/")[2])
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._server.next_wait(), self._transport.write, WHOLE)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ms", type=float, default=10.0)
    parser.add_argument("--slow-share", type=float, default=0.0)
    parser.add_argument("--slow-factor", type=float, default=10.0)
    parser.add_argument("--pareto", type=float, default=0.0)
    given = parser.parse_args()
    state = Server(given.ms, given.slow_share, given.slow_factor, given.pareto)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
