"""The state of the service: tenants, sessions, models with their jobs in order, futures, faults on demand."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from tinker.proto import tinker_public_pb2 as pb
from tokenizers import Tokenizer

from .model import Base, Lora

FOLDER = Path(sys.argv[1])
TEXTS = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
VOCABULARY = TEXTS.get_vocab_size()
END: int = TEXTS.token_to_id("<|end|>")
BASE = Base(VOCABULARY)
MODELS = {"tiny/lora": 4096, "tiny/short": 48, "models/small": 4096}
"""The last is the name of a folder too: an experiment that names it runs on `local` as well."""
PROTO = "application/x-protobuf"
NUMPY = {pb.DTYPE_FLOAT32: np.float32, pb.DTYPE_INT64: np.int64, pb.DTYPE_INT32: np.int32}
NUMBERS = itertools.count(1)


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """An answer with an error status."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        self.status, self.detail, self.headers = status, detail, headers
        super().__init__(detail)


class Failed(Exception):  # noqa: N818
    """What a future fails with."""

    def __init__(self, error: str, category: str = "user") -> None:
        self.error, self.category = error, category
        super().__init__(error)


@dataclass
class Promise:
    """The future of one request."""

    kind: str
    done: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b""
    content_type: str = "application/json"

    def resolve(self, value: Any, content_type: str = "application/json") -> None:
        self.body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.content_type = content_type
        self.done.set()


Job = Callable[[], tuple[Any, str]]


class Model:
    """A training run: jobs in the order of their seq_id."""

    def __init__(self, name: str, base_model: str, lora: Lora, config: dict[str, Any]) -> None:
        self.name, self.base_model, self.lora, self.config = name, base_model, lora, config
        self.next, self.waiting = 1, dict[int, tuple[Promise, Job]]()

    def submit(self, seq: int, promise: Promise, job: Job) -> None:
        self.waiting[seq] = (promise, job)
        while self.next in self.waiting:
            promise, job = self.waiting.pop(self.next)
            self.next += 1
            try:
                promise.resolve(*job())
            except Failed as failed:
                promise.resolve({"error": failed.error, "category": failed.category})


@dataclass
class Tenant:
    """One service."""

    latency_s: float = 0.0
    """Of every answer; requests overlap, as on a network."""
    hold_s: float = 20.0
    """How long retrieve_future waits before it says try_again."""
    metadata_over: int = 1 << 20
    """Results longer than this are announced by their size first."""
    queue_state: str = "active"
    pad_bytes: int = 0
    """Size of one more file in external weights."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """Each {"at": endpoint or "future:KIND", "from": n, "times": k} and one of "status" (with "headers"),
    "failed" (a category), "never" (no answer), "lose" (the session is gone from here on), "nan"."""
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    log: list[dict[str, Any]] = field(default_factory=list)
    happened: asyncio.Condition = field(default_factory=asyncio.Condition)
    sessions: dict[str, str] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    samplers: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    promises: dict[str, Promise] = field(default_factory=dict)
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)

    def control(self, given: dict[str, Any]) -> None:
        for key, value in given.items():
            assert key in ("latency_s", "hold_s", "metadata_over", "queue_state", "pad_bytes", "faults"), key
            setattr(self, key, value)
            if key == "faults":
                self.counts.clear()

    async def note(self, event: str, **facts: Any) -> None:
        async with self.happened:
            self.log.append({"event": event, **facts})
            self.happened.notify_all()

    def fault(self, at: str) -> dict[str, Any]:
        self.counts[at] += 1
        for fault in self.faults:
            first = fault.get("from", 1)
            if fault["at"] == at and first <= self.counts[at] < first + fault.get("times", 1):
                return fault
        return {}

    def alive(self, session: str) -> None:
        if self.sessions.get(session) != "open":
            raise Refusal(410 if session in self.sessions else 404, f"session {session} is not open")

    def model(self, name: str) -> Model:
        self.alive(name.split(":", maxsplit=1)[0])
        if name not in self.models:
            raise Refusal(404, f"unknown model {name}")
        return self.models[name]

    def promise(self, kind: str) -> tuple[str, Promise]:
        name = f"request-{next(NUMBERS)}"
        self.promises[name] = Promise(kind)
        return name, self.promises[name]


Answer = tuple[int, dict[str, str], bytes]
Endpoint = Callable[[Tenant, dict[str, Any]], Any]
ENDPOINTS: dict[str, Endpoint] = {}


def reply(value: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"content-type": "application/json", **headers}, json.dumps(value).encode()


def endpoint(function: Endpoint) -> Endpoint:
    ENDPOINTS[function.__name__] = function
    return function
