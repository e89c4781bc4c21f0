# ruff: noqa: INP001  # a script, not part of a package
"""Three servers with OpenAI's chat interface for config/experiments/ensemble.toml, each a process of its own.

    python config/model_servers.py

They stand in for real models: each answers with the first one, two or three sentences of a document, usually
after 40 ms, and one request in twenty takes ten times as long. Every reply is paid for in the experiment at
made-up prices. Ctrl-C ends them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import signal
import subprocess
import sys
from typing import Any

from crucible.adapters.backends.lead import LeadOptions, LeadSampler
from crucible.messages.errors import BackendError
from crucible.messages.records import Prompt
from crucible.messages.requests import BackendRequest

PORTS = {8101: 1, 8102: 2, 8103: 3}
"""Port -> sentences of each document."""
USUAL_S = 0.04
SLOW_SHARE, SLOW_FACTOR = 0.05, 10


class ModelServer:
    """Serves one model until the process ends."""

    def __init__(self, sentences: int) -> None:
        self._sampler = LeadSampler(LeadOptions(k=sentences))
        self._numbers = itertools.count()
        self._sentences = sentences

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(size))
                if not await self._answer(body, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """False when the client hung up before the answer was ready."""
        hung_up = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait({hung_up}, timeout=self._wait_s())
        if done:
            return False
        hung_up.cancel()
        await asyncio.gather(hung_up, return_exceptions=True)
        status, reply = await self._reply(body)
        data = json.dumps(reply).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        return True

    def _wait_s(self) -> float:
        """The same sequence in every process that answers as many requests."""
        number = next(self._numbers)
        digest = hashlib.blake2b(f"{self._sentences}/{number}".encode(), digest_size=4).digest()
        slow = int.from_bytes(digest, "big") / 2**32 < SLOW_SHARE
        return USUAL_S * (SLOW_FACTOR if slow else 1)

    async def _reply(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        prompt = Prompt(text=body["messages"][-1]["content"])
        try:
            answer = await self._sampler.sample(BackendRequest(key="", example_id="", prompt=prompt))
        except BackendError as error:
            return "400 Bad Request", {"error": {"message": str(error)}}
        message = {"role": "assistant", "content": answer.completions[0].text}
        usage = {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return "200 OK", {"model": body["model"], "choices": [choice], "usage": usage}


async def serve(port: int) -> None:
    """One server."""
    server = await asyncio.start_server(ModelServer(PORTS[port]).serve, "127.0.0.1", port)
    print(f"http://127.0.0.1:{port}/v1: the first {PORTS[port]} sentences", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Start a process for each server and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = [sys.executable, __file__]
    processes = [subprocess.Popen([*command, str(port)]) for port in PORTS]  # noqa: S603  # this very file
    try:
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        for process in processes:
            process.terminate()


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            asyncio.run(serve(int(sys.argv[1])))
        else:
            main()
    except KeyboardInterrupt:
        pass
