# ruff: noqa: INP001  # a script, not part of a package
"""Three servers with OpenAI's chat interface for config/experiments/ensemble.toml, each a process of its own.

    python config/model_servers.py [FIRST_PORT]

They stand in for real models: each knows the right answers of the sample data and errs at a rate of its own.
It leaves out evidence, and takes other sentences for evidence; part of its errors is common to all three. A
reply takes 40 ms, one in twenty ten times as long. Prices are made up, in the experiment. Ctrl-C ends them.
With FIRST_PORT 0 each takes any free port, and prints it. When one cannot listen all end.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from crucible.adapters.cns import format_claims, parse_claims, parse_passage
from crucible.messages.claims import Claim, Relation

FIRST_PORT = 8101
RATES = (0.35, 0.25, 0.2)
"""The share of the evidence that each model leaves out."""
WRONG = 0.25
"""Share of the other sentences that it takes for evidence, in units of that rate."""
COMMON = 0.3
"""Probability that an error is decided for all models alike."""
DATA = Path(__file__).parent / "data" / "claims.jsonl"
USUAL_S = 0.04
SLOW_SHARE, SLOW_FACTOR = 0.05, 10


class ModelServer:
    """Serves one model until the process ends."""

    def __init__(self, number: int) -> None:
        rows = map(json.loads, DATA.read_text(encoding="utf-8").splitlines())
        self._known: dict[str, str] = {row["prompt"]: row["completion"] for row in rows}
        self._numbers = itertools.count()
        self._rate = RATES[number]
        self._name = FIRST_PORT + number  # what it draws by, whatever port it listens on

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
        status, reply = self._reply(body)
        data = json.dumps(reply).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        return True

    def _wait_s(self) -> float:
        """The same sequence in every process that answers as many requests."""
        number = next(self._numbers)
        return USUAL_S * (SLOW_FACTOR if _draw(f"{self._name}/{number}") < SLOW_SHARE else 1)

    def _reply(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        prompt = body["messages"][-1]["content"]
        if prompt not in self._known:
            return "400 Bad Request", {"error": {"message": "this stand-in knows the sample data only"}}
        text = self._text(prompt)
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return "200 OK", {"model": body["model"], "choices": [choice], "usage": usage}

    def _text(self, prompt: str) -> str:
        """The right answer, with errors: the same whenever the prompt is the same."""
        right = parse_claims(self._known[prompt])
        labels = {relation.source: relation.label for relation in right.relations}
        known = {claim.text: labels.get(claim.id) for claim in right.claims}
        claims = [claim for claim in right.claims if claim.id == "c1"]
        relations = []
        for document in parse_passage(prompt):
            for sentence in document.sentences:
                label = known.get(sentence)
                if self._errs(sentence, self._rate * (1.0 if label else WRONG)) == bool(label):
                    continue
                name = f"c{len(claims) + 1}"
                claims.append(Claim(id=name, text=sentence, document_id=document.id))
                relations.append(Relation(source=name, label=label or "supports", target="c1"))
        return format_claims(claims, relations)

    def _errs(self, sentence: str, rate: float) -> bool:
        whose = "all" if _draw(f"common/{sentence}") < COMMON else self._name
        return _draw(f"{whose}/{sentence}") < rate


def _draw(what: str) -> float:
    """A number in [0, 1) that depends on nothing else."""
    return int.from_bytes(hashlib.blake2b(what.encode(), digest_size=4).digest(), "big") / 2**32


async def serve(number: int, port: int) -> None:
    """One server."""
    try:
        server = await asyncio.start_server(ModelServer(number).serve, "127.0.0.1", port)
    except OSError as error:
        sys.exit(
            f"model_servers.py: cannot listen on port {port}: {os.strerror(error.errno or 0)};"
            " end what listens there, or give another first port and put it into the base_url of the members"
        )
    bound = server.sockets[0].getsockname()[1]
    # In one piece: three processes share the terminal.
    sys.stdout.write(f"http://127.0.0.1:{bound}/v1: leaves out {RATES[number]:.0%} of the evidence\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main(first: int) -> None:
    """Start a process for each server and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = [sys.executable, __file__]
    processes = [
        subprocess.Popen([*command, str(first + number if first else 0), str(number)])  # noqa: S603
        for number in range(len(RATES))
    ]
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.1)
    except KeyboardInterrupt:
        return
    finally:
        for process in processes:
            process.terminate()
    sys.exit(1)


if __name__ == "__main__":
    try:
        if len(sys.argv) == 3:
            asyncio.run(serve(number=int(sys.argv[2]), port=int(sys.argv[1])))
        else:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else FIRST_PORT)
    except KeyboardInterrupt:
        pass
