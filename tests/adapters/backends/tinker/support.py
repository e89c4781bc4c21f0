"""Starts the server process, makes its tokenizer on the spot, and asks the server what it saw."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import INPUT, REFERENCE, VERIFY_INPUT

ROOT = Path(__file__).parents[4]
KEY = "tml-test-0123456789"
MARKS = [
    pytest.mark.skipif(
        importlib.util.find_spec("tinker") is None, reason="needs the SDK: pip install 'tinker==0.38.*'"
    ),
    # The SDK leaves the connection of its first request to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


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
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()
