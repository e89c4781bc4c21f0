"""Racing streamed answers in whole runs, over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

import crucible
from crucible.messages.experiment import BackendRef, HedgingConfig

from .model_server import ModelServer
from .test_racing import ROWS, hedged, outputs, stage


class StreamServer(ModelServer):
    """Streams: the wait is that for the first token, each ``|`` of the answer a pause of 50 ms."""

    async def _reply(
        self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        prompt = body["messages"][-1]["content"]
        wait, text = self._answer(prompt, self.asked.count(prompt))
        self.asked.append(prompt)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        closed = asyncio.ensure_future(reader.read(1))
        pauses = [wait, *[0.05] * text.count("|")]
        for pause, word in zip(pauses, text.split("|"), strict=True):
            done, _ = await asyncio.wait({closed}, timeout=pause)
            if done:
                self.hung_up.append(prompt)
                return False
            self._event(writer, {"choices": [{"index": 0, "delta": {"content": word}}]})
        self._event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        writer.write(b"0\r\n\r\n")
        closed.cancel()
        await asyncio.gather(closed, return_exceptions=True)
        await writer.drain()
        return True

    def _event(self, writer: asyncio.StreamWriter, chunk: dict[str, Any]) -> None:
        data = f"data: {json.dumps(chunk)}\n\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def streamed(url: str, hedging: HedgingConfig, **options: Any) -> crucible.Experiment:
    backend = BackendRef(
        id="openai", name="model", options={"model": "m", "base_url": url, "stream": True, **options}
    )
    made = hedged(url, hedging, temperature=0.7)
    return msgspec.structs.replace(made, backend=backend)


def test_the_loser_is_hung_up_on_when_the_other_begins_to_stream(tmp_path: Path) -> None:
    def answer(prompt: str, before: int) -> tuple[float, str]:
        slow = prompt == "question 39" and before == 0
        return (30.0 if slow else 0.0), "an|answer"

    with StreamServer(answer) as server:
        config = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
        result = crucible.run(streamed(server.url, config), out=tmp_path)
        assert result.failure is None
        assert server.hung_up == ["question 39"]
    output = outputs(tmp_path)["r39"]
    assert output.text == "ananswer"
    assert output.race is not None
    assert (output.race.winner, output.race.decided_on, output.race.cancelled) == ("hedge", "first_token", 1)
    assert not output.race.race_biased  # at a temperature above 0
    assert stage(result, "bench").metrics["examples"] == ROWS  # hence nothing is left out
    told = stage(result, "backend_call").metrics["hedging"]
    assert told["first_token_s"]["with_hedging"]["p50"] < told["latency_s"]["with_hedging"]["p50"]


def test_a_long_answer_that_streams_is_left_alone(tmp_path: Path) -> None:
    def answer(prompt: str, before: int) -> tuple[float, str]:
        return 0.0, "word" + "|word" * (40 if prompt == "question 39" else 0)  # 2 s

    with StreamServer(answer) as server:
        config = HedgingConfig(strategy="fixed", delay_ms=1000, control_percent=0)
        crucible.run(streamed(server.url, config), out=tmp_path)
        assert server.asked.count("question 39") == 1
    output = outputs(tmp_path)["r39"]
    assert output.latency_s > 2.0
    assert output.race is not None
    assert not output.race.hedged
