"""A small server with OpenAI's chat interface in a thread of its own, whose slowness a test writes down."""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

Answer = Callable[[str, int], "tuple[float, str]"]
"""The prompt and how often it was asked before -> seconds to wait and the answer."""


class ModelServer:
    """Answers as ``answer`` says; ``asked`` and ``hung_up`` are prompts, in the order of the events."""

    def __init__(
        self,
        answer: Answer,
        confidence: float | None = None,
        refuses: Callable[[str], bool] = lambda _prompt: False,
    ) -> None:
        """``confidence``: what each token's probability is said to be, when a request asks for it.

        ``refuses``: the prompts that are answered with status 400.
        """
        self._answer = answer
        self._refuses = refuses
        self._confidence = confidence
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.asked: list[str] = []
        self.keys: list[str | None] = []
        """The idempotency key of each."""
        self.hung_up: list[str] = []
        self.port = 0

    def wait_for_hang_up(self, prompt: str) -> None:
        """Until the connection that asked for it is seen to be closed; AssertionError when it is not."""
        end = time.monotonic() + 20.0
        while prompt not in self.hung_up:
            assert time.monotonic() < end, f"{prompt!r} was not hung up on, only {self.hung_up}"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(5)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in range(5):  # what was just accepted begins: closed before that, its socket stays open
            await asyncio.sleep(0)
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if b"content-length" in line
                )
                body = json.loads(await reader.readexactly(size))
                key = re.search(rb"\r\nidempotency-key: (\S+)", head)
                self.keys.append(None if key is None else key[1].decode())
                if not await self._reply(body, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(
        self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        prompt = body["messages"][-1]["content"]
        wait, text = self._answer(prompt, self.asked.count(prompt))
        self.asked.append(prompt)
        if self._refuses(prompt):
            error = json.dumps({"error": {"message": "not this one"}}).encode()
            head = (
                f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(error)}"
            )
            writer.write(head.encode() + b"\r\n\r\n" + error)
            await writer.drain()
            return True
        closed = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait({closed}, timeout=wait)
        if done:
            self.hung_up.append(prompt)
            return False
        closed.cancel()
        await asyncio.gather(closed, return_exceptions=True)
        message = {"role": "assistant", "content": text}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
        if body.get("logprobs") and self._confidence is not None:
            choice["logprobs"] = {"content": [{"token": text, "logprob": math.log(self._confidence)}]}
        reply = json.dumps(
            {
                "model": body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5},
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(reply)}\r\n\r\n"
        writer.write(head.encode() + reply)
        await writer.drain()
        return True


class Stopping:
    """A model that answers ``answers`` requests and lets the next one hang until it is let go."""

    def __init__(self, answers: int) -> None:
        self._left = answers
        self.hangs = threading.Event()

    def __call__(self, _prompt: str, _before: int) -> tuple[float, str]:
        self._left -= 1
        if self._left < 0 and not self.hangs.is_set():
            self.hangs.set()
            return 600.0, ""
        return 0.0, "c"
