"""Starts the server process and asks what it saw."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from crucible.actors.ports import Sampler
from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.messages.records import Prompt, SamplingParams
from crucible.messages.requests import BackendRequest


class Server:
    """The running server, as one test sees it."""

    def __init__(self, port: int, test: str) -> None:
        self.port, self.test = port, test

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.port}/{self.test}/{behaviour}/v1"

    async def log(self, wait_for: str | None = None) -> list[dict[str, Any]]:
        """What happened so far, or once this event has happened."""
        path = f"/{self.test}/wait/{wait_for}" if wait_for else f"/{self.test}/log"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        found: list[dict[str, Any]] = msgspec.json.decode(await reader.readexactly(size))
        writer.close()
        await writer.wait_closed()
        return found

    async def requests(self) -> list[dict[str, Any]]:
        return [event for event in await self.log() if event["event"] == "request"]


@contextmanager
def running_server() -> Iterator[int]:
    """The port of a server process that ends with the block."""
    command = [sys.executable, str(Path(__file__).with_name("server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@asynccontextmanager
async def asking(base_url: str, **options: Any) -> AsyncIterator[Sampler]:
    """A sampler of an open session."""
    given = msgspec.convert({"model": "m", "base_url": base_url, **options}, OpenAIOptions)
    session = await OpenAIBackend().open(given, seed=1, workdir=Path(tempfile.gettempdir()))
    try:
        yield await session.sampler()
    finally:
        await session.aclose()


def question(text: str = "hello", **params: Any) -> BackendRequest:
    return BackendRequest(key="k", example_id="e", prompt=Prompt(text=text), params=SamplingParams(**params))
