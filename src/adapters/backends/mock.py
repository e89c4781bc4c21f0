"""A backend that answers by script: for tests, dry runs and fault drills without a model.

Users name it in an experiment as ``mock``. Nothing it says was computed by a model: its answers, its
errors and its training losses are what its options say. Chance enters only through a hash of seed,
request key and attempt, so that an answer does not depend on the order in which requests arrive.
It does not cut answers at ``max_tokens`` or ``stop``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from ...actors.ports import Capabilities
from ...messages.errors import (
    BackendError,
    ConnectionFailedError,
    CrucibleError,
    InputError,
    OptionError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
)
from ...messages.records import CheckpointRef, Completion, Example, TrainStep, Usage
from ...messages.requests import BackendReply, BackendRequest
from ..cns import parse_passage, split_sentences
from .answers import estimated_usage
from .checkpoints import read_checkpoint, write_checkpoint
from .mock_options import ErrorKind, Lognormal, MockOptions, MockReply

__all__ = ["MockBackend", "MockOptions", "MockSampler", "MockSession"]

_ERRORS: dict[ErrorKind, type[CrucibleError]] = {
    "overloaded": OverloadedError,
    "connection": ConnectionFailedError,
    "timeout": TimedOutError,
    "bad_request": BackendError,
}


class Draws:
    """Uniform numbers in [0, 1) that belong to one attempt of one request."""

    __slots__ = ("_digest",)

    def __init__(self, seed: int, key: str, attempt: int) -> None:
        text = f"{seed}\0{attempt}\0{key}"
        self._digest = hashlib.blake2b(text.encode(), digest_size=32).digest()

    def uniform(self, index: int) -> float:
        """The number of this index, 0 to 3."""
        return int.from_bytes(self._digest[8 * index : 8 * index + 8]) / 2.0**64


def latency_s(latency: float | Sequence[float] | Lognormal, draws: Draws) -> float:
    """Seconds to wait. The normal deviate is Box and Muller's (1958), which needs no tables."""
    if isinstance(latency, Lognormal):
        radius = math.sqrt(-2.0 * math.log(1.0 - draws.uniform(1)))
        deviate = radius * math.cos(2.0 * math.pi * draws.uniform(2))
        return latency.median * math.exp(latency.sigma * deviate) / 1e3
    if isinstance(latency, float | int):
        return latency / 1e3
    return latency[int(draws.uniform(1) * len(latency))] / 1e3


class MockSampler:
    """Answers by the script."""

    def __init__(self, options: MockOptions, seed: int) -> None:
        self._options = options
        self._seed = seed
        self._patterns = tuple(re.compile(rule.matches) if rule.matches else None for rule in options.replies)

    async def sample(self, request: BackendRequest) -> BackendReply:
        """The scripted answer, or the scripted error; raises TransientError or BackendError."""
        draws = Draws(self._seed, request.key, request.attempt)
        wait = latency_s(self._options.latency_ms, draws)
        if wait > 0:
            await asyncio.sleep(wait)
        kind = self._failure(request.attempt, draws.uniform(0))
        if kind is not None:
            raise self._error(kind)
        completions = self._completions(request, draws)
        usage = estimated_usage(request, completions, self._options.chars_per_token)
        return BackendReply(
            completions=completions, usage=usage, latency_s=wait, cost_usd=self._cost(usage), model="mock"
        )

    def _failure(self, attempt: int, draw: float) -> ErrorKind | None:
        if attempt <= self._options.fail_first_attempts:
            return self._options.fail_with
        for kind, rate in self._options.errors.items():
            if draw < rate:
                return kind
            draw -= rate
        return None

    def _error(self, kind: ErrorKind) -> CrucibleError:
        if kind == "rate_limited":
            return RateLimitedError(
                "mock: scripted error rate_limited", retry_after_s=self._options.retry_after_s
            )
        return _ERRORS[kind](f"mock: scripted error {kind}")

    def _completions(self, request: BackendRequest, draws: Draws) -> tuple[Completion, ...]:
        rule = self._rule(request)
        if rule is None:
            return (Completion(text=self._default(request.prompt.text)),) * request.params.n
        texts = _texts(rule)
        first = int(draws.uniform(3) * len(texts))
        return tuple(
            Completion(
                text=_fill(texts[(first + index) % len(texts)], request),
                finish_reason=rule.finish_reason,
                confidence=rule.confidence,
            )
            for index in range(request.params.n)
        )

    def _rule(self, request: BackendRequest) -> MockReply | None:
        prompt = request.prompt.text
        for rule, pattern in zip(self._options.replies, self._patterns, strict=True):
            if rule.example_id is not None and rule.example_id != request.example_id:
                continue
            if rule.contains is not None and rule.contains not in prompt:
                continue
            if pattern is None or pattern.search(prompt):
                return rule
        return None

    def _default(self, prompt: str) -> str:
        if self._options.default == "echo":
            return prompt
        if self._options.default == "first_sentence":
            return _first_sentence(prompt)
        return self._options.default

    def _cost(self, usage: Usage) -> float | None:
        paid_in = self._options.price_per_million_input_usd
        paid_out = self._options.price_per_million_output_usd
        if paid_in is None or paid_out is None:
            return None
        return (usage.prompt_tokens * paid_in + usage.completion_tokens * paid_out) / 1e6


class MockSession:
    """Counts optimiser steps and reports the scripted losses."""

    def __init__(self, options: MockOptions, seed: int, workdir: Path) -> None:
        self._options = options
        self._seed = seed
        self._workdir = workdir
        self._steps = 0
        self._gathered = 0

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """The scripted loss of the step to come; raises InputError for a row without a reference."""
        for row in batch:
            if row.reference is None:
                raise InputError(f"example {row.id!r}: training needs a reference")
        step = self._report(self._options.losses, batch)
        self._gathered += len(batch)
        return step

    async def optim_step(self, learning_rate: float) -> None:
        """Count one step; raises BackendError when there is nothing to apply."""
        if not self._gathered:
            raise BackendError("mock: optim_step without train_step")
        del learning_rate  # the losses are scripted
        self._steps += 1
        self._gathered = 0

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """The scripted held-out loss."""
        return self._report(self._options.held_out_losses or self._options.losses, batch)

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Write the step count."""
        data = msgspec.json.encode({"backend": "mock", "optimiser_steps": self._steps})
        return await asyncio.to_thread(
            write_checkpoint, self._workdir, name, ".json", data, step=step, epoch=epoch, loss=loss
        )

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Read the step count back; gathered gradients are dropped."""
        self._steps = await self._read(ref)
        self._gathered = 0

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> MockSampler:
        """A sampler; training does not change what it says."""
        if checkpoint is not None:
            await self._read(checkpoint)
        return MockSampler(self._options, self._seed)

    async def aclose(self) -> None:
        """Nothing to release."""

    async def _read(self, ref: CheckpointRef) -> int:
        data = await asyncio.to_thread(read_checkpoint, self._workdir, ref)
        try:
            state = msgspec.json.decode(data, type=dict[str, str | int])
        except msgspec.MsgspecError as error:
            raise BackendError(f"{ref.uri}: not a checkpoint of mock: {error}") from error
        steps = state.get("optimiser_steps")
        if state.get("backend") != "mock" or not isinstance(steps, int):
            raise BackendError(f"{ref.uri}: not a checkpoint of mock")
        return steps

    def _report(self, losses: Sequence[float], batch: Sequence[Example]) -> TrainStep:
        if not losses:
            raise OptionError("backend mock: option losses: expected at least one loss to train with")
        mean = losses[min(self._steps, len(losses) - 1)]
        n = len(batch)
        return TrainStep(loss_sum=mean * n, weight_sum=float(n), unit="example", examples=n)


class MockBackend:
    """The scripted backend."""

    Options: ClassVar[type[msgspec.Struct]] = MockOptions

    @property
    def capabilities(self) -> Capabilities:
        """Trainable in form only."""
        return Capabilities(
            trainable=True,
            deterministic=True,
            free_training=True,
            neutral_options=frozenset(
                {
                    "latency_ms",
                    "errors",
                    "fail_first_attempts",
                    "fail_with",
                    "retry_after_s",
                    "price_per_million_input_usd",
                    "price_per_million_output_usd",
                    "losses",
                    "held_out_losses",
                }
            ),
            summary="Scripted answers, latencies, errors and training losses; there is no model.",
        )

    async def open(self, options: MockOptions, *, seed: int, workdir: Path) -> MockSession:
        """Start a session."""
        return MockSession(options, seed, workdir)

    def most_usd(self, options: MockOptions, request: BackendRequest) -> float | None:
        """By the prices and the longest text of the script; it does not cut answers at ``max_tokens``."""
        paid_in, paid_out = options.price_per_million_input_usd, options.price_per_million_output_usd
        if paid_in is None or paid_out is None:
            return None
        texts = [text for rule in options.replies for text in _texts(rule)]
        longest = max(len(_fill(text, request)) for text in (*texts, options.default, request.prompt.text))
        per_token = options.chars_per_token
        usage = [math.ceil((len(request.prompt.text) + len(request.prompt.system or "")) / per_token)]
        usage.append(math.ceil(longest / per_token) * request.params.n)
        return (usage[0] * paid_in + usage[1] * paid_out) / 1e6


def _first_sentence(prompt: str) -> str:
    """Of the passage, or of the prompt when it has none."""
    in_passage = (sentence for document in parse_passage(prompt) for sentence in document.sentences)
    return next(in_passage, None) or next(iter(split_sentences(prompt)), "")


def _texts(rule: MockReply) -> tuple[str, ...]:
    return (rule.text,) if isinstance(rule.text, str) else rule.text


def _fill(text: str, request: BackendRequest) -> str:
    if "{" not in text:
        return text
    return text.replace("{example_id}", request.example_id).replace("{input}", request.prompt.text)
