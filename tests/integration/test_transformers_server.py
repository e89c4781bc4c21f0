"""The openai backend against transformers' own server: a real process with a tiny random model.

Skipped where torch or what the server needs is not installed; `make test-local` has both. Nothing is fetched.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.messages.errors import BackendError
from crucible.messages.records import Prompt, SamplingParams
from crucible.messages.requests import BackendReply, BackendRequest

from .support import Workbench

NEEDED = ("tokenizers", "fastapi", "openai", "uvicorn")  # besides those of the mark
LONGEST_START_S = 240

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]


class Served:
    """A running server."""

    def __init__(self, port: int, model: Path) -> None:
        self.url, self.model = f"http://127.0.0.1:{port}/v1", str(model)

    async def ask(
        self, text: str = "hello", params: SamplingParams | None = None, **options: Any
    ) -> BackendReply:
        given = msgspec.convert({"model": self.model, "base_url": self.url, **options}, OpenAIOptions)
        session = await OpenAIBackend().open(given, seed=1, workdir=Path())
        try:
            sampler = await session.sampler()
            params = params or SamplingParams(max_tokens=8)
            return await sampler.sample(
                BackendRequest(key="k", example_id="e", prompt=Prompt(text=text), params=params)
            )
        finally:
            await session.aclose()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("served")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    model = folder / "model"
    script = Path(__file__).with_name("tiny_model.py")
    subprocess.run([sys.executable, script, model], env=environment, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until_healthy(process, port, folder / "log")
            yield Served(port, model)
        finally:
            process.terminate()


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + LONGEST_START_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                assert reply.status == 200
                return
        except OSError:
            time.sleep(0.1)


async def test_a_chat_answer_has_its_tokens_counted_by_the_server(served: Served) -> None:
    reply = await served.ask()
    assert reply.completions[0].text
    assert reply.completions[0].finish_reason == "length"
    assert (reply.usage.completion_tokens, reply.usage.estimated) == (8, False)
    assert reply.usage.prompt_tokens == len("user: hello\nassistant:")
    assert reply.model == served.model


async def test_a_plain_prompt_is_gone_on_with(served: Served) -> None:
    reply = await served.ask("abc", api="completions")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3, 8)
    assert reply.completions[0].text


async def test_the_same_seed_gives_the_same_answer_and_another_one_another(served: Served) -> None:
    answers = [
        (await served.ask(params=SamplingParams(max_tokens=16, temperature=1.0, seed=seed)))
        .completions[0]
        .text
        for seed in (7, 7, 8)
    ]
    assert answers[0] == answers[1] != answers[2]


async def test_n_answers_are_asked_for_one_by_one(served: Served) -> None:
    params = SamplingParams(max_tokens=8, temperature=1.0, seed=7, n=3)
    reply = await served.ask(params=params)
    assert len({answer.text for answer in reply.completions}) == 3
    assert reply.usage.completion_tokens == 24


async def test_a_stream_holds_what_a_whole_answer_holds(served: Served) -> None:
    whole, streamed = await served.ask(), await served.ask(stream=True)
    assert streamed.completions[0].text == whole.completions[0].text
    assert streamed.completions[0].finish_reason == "length"
    assert streamed.usage == whole.usage
    assert streamed.first_token_s is not None
    assert 0 < streamed.first_token_s <= streamed.latency_s


async def test_logprobs_that_the_server_does_not_give_are_no_confidence(served: Served) -> None:
    assert (await served.ask(logprobs=True)).completions[0].confidence is None


async def test_another_model_is_refused_for_good_with_the_servers_words(served: Served) -> None:
    with pytest.raises(BackendError, match=r"HTTP 400: Server is pinned to .*; requested 'other'"):
        await served.ask(model="other")


@pytest.mark.parametrize("stream", [False, True])
def test_a_whole_run_asks_it(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, stream: bool
) -> None:
    bench = Workbench(tmp_path, capsys)
    options = {"base_url": served.url, "model": served.model, "stream": stream}
    stages: list[dict[str, Any]] = [{"name": name} for name in ("data_load", "backend_call", "report")]
    stages[1]["options"] = {"max_tokens": 5, "concurrency": 4}
    ran = bench.run(bench.experiment(backend={"id": "openai", "options": options}, pipeline=stages))
    assert ran.code == 0, ran.err
    (folder,) = bench.runs()
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    for row in rows:
        output = row["outputs"]["openai"]
        assert output.get("error") is None
        assert output["usage"]["completion_tokens"] == 5
        assert output["usage"]["prompt_tokens"] == len(f"user: {row['input']}\nassistant:")
