"""Starts the server process, makes its tokenizer on the spot, and asks the server what it saw."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import subprocess
import sys
import threading
from asyncio.selector_events import _SelectorSocketTransport as SocketTransport  # type: ignore[attr-defined]
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from crucible.adapters.backends.tinker import TinkerBackend, TinkerOptions
from crucible.messages.records import Example

from ..support import INPUT, REFERENCE, VERIFY_INPUT, row

if TYPE_CHECKING:
    from crucible.adapters.backends.tinker.session import TinkerSession

ROOT = Path(__file__).parents[4]
KEY = "tml-test-0123456789"
MARKS = [
    pytest.mark.skipif(
        importlib.util.find_spec("tinker") is None, reason="needs the SDK: pip install 'tinker==0.38.*'"
    ),
    # The SDK leaves the connection of its first request to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


def hang_up() -> None:
    """Close what the SDK holds open in the loop of its own thread, which lives as long as the process.

    It keeps connections of sessions that are closed until a heartbeat lets go of them; the garbage collector
    would find them during somebody else's test. Called when no loop of a test runs.
    """
    gc.collect()
    loops = set()
    for each in gc.get_objects():
        if type(each) is SocketTransport and not each.is_closing() and each._loop.is_running():
            loops.add(each._loop)
            each._loop.call_soon_threadsafe(each.abort)
    for loop in loops:
        closed = threading.Event()
        loop.call_soon_threadsafe(loop.call_soon, loop.call_soon, closed.set)  # after abort's own callback
        closed.wait(5)
    gc.collect()


class Tenant:
    """A service that one test has to itself."""

    def __init__(self, port: int, name: str) -> None:
        self.url = f"http://127.0.0.1:{port}/{name}"

    def control(self, **given: Any) -> None:
        """What ``state.Tenant`` names: latency_s, hold_s, faults, ..."""
        httpx.post(f"{self.url}/control", json=given).raise_for_status()

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/log", timeout=30).json()
        return found

    def wait(self, event: str) -> None:
        httpx.get(f"{self.url}/wait/{event}", timeout=30)

    def counts(self) -> Counter[str]:
        return Counter(event["event"] for event in self.log())

    def asked(self, at: str) -> list[dict[str, Any]]:
        return [event["asked"] for event in self.log() if event["event"] == at]


def make_tokenizer(folder: Path) -> Path:
    """A byte-level BPE of 400 tokens with an end-of-text token, learned from a few lines."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([INPUT, VERIFY_INPUT, REFERENCE], trainer)
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@contextmanager
def running_server(tokenizer: Path) -> Iterator[int]:
    """The port of a server process that ends with the block."""
    command = [sys.executable, "-m", "tests.adapters.backends.tinker.server", str(tokenizer)]
    pipe = subprocess.PIPE
    # Its matrices are small; threads of a BLAS would spin for longer than they compute, and starve others.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@asynccontextmanager
async def opened(texts: Path, folder: Path, seed: int = 3, **given: Any) -> AsyncIterator[TinkerSession]:
    """A session that waits for nothing between recoveries."""
    defaults = {"base_model": "tiny/lora", "tokenizer": str(texts), "recovery_backoff_s": 0.0}
    options = msgspec.convert({**defaults, **given}, TinkerOptions)
    session = await TinkerBackend().open(options, seed=seed, workdir=folder)
    try:
        yield session
    finally:
        await session.aclose()


def batch(number: int) -> list[Example]:
    """Another two rows for every step."""
    return [row(number, reference=f"{REFERENCE}\nCLAIM[c3]: Number {number}."), row(number + 100)]


async def steps(session: TinkerSession, first: int, last: int, rate: float = 0.02) -> list[float]:
    """Losses of the steps ``first`` to ``last`` (exclusive), submitted one ahead."""
    waiting, losses = deque[Any](), list[float]()
    for number in range(first, last):
        waiting.append(await session.submit_step(batch(number), rate))
        if len(waiting) > 1:
            losses.append((await waiting.popleft().result()).loss_sum)
    while waiting:
        losses.append((await waiting.popleft().result()).loss_sum)
    return losses
