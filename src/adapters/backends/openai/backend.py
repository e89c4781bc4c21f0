"""The backend ``openai`` of experiments: resolves the keys, opens the connections, hands out the session.

``missing`` is asked when the experiment is checked, of the model, the baselines and the members alike, so
that a key that is not there stops the run before anything is spent.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from ....actors.ports import Capabilities, Session
from ....messages.errors import InputError, Problem
from ....messages.paths import child
from ....messages.requests import BackendRequest
from ....messages.secret_keys import is_reference
from .options import OpenAIOptions
from .prices import most_usd
from .secret import Secret, resolve

__all__ = ["OpenAIBackend"]

NEUTRAL = frozenset(
    {
        "stream",
        "idempotency_key",
        "connect_timeout_s",
        "read_timeout_s",
        "max_connections",
        "http2",
        "max_reply_bytes",
        "max_wait_s",
        "price_per_million_input_usd",
        "price_per_million_cached_input_usd",
        "price_per_million_output_usd",
    }
)
"""Options that change no answer."""


class OpenAIBackend:
    """Servers that speak OpenAI's interface."""

    Options: ClassVar[type[msgspec.Struct]] = OpenAIOptions

    @property
    def capabilities(self) -> Capabilities:
        """Asked only; whether it repeats itself is up to the server."""
        return Capabilities(
            trainable=False,
            neutral_options=NEUTRAL,
            summary="Any server with OpenAI's interface: vLLM, Ollama, llama.cpp, transformers serve.",
        )

    def missing(self, options: OpenAIOptions) -> Sequence[Problem]:
        """Keys that cannot be read, and the package h2 where HTTP/2 is demanded."""
        problems = []
        for path, _, reference in references(options):
            try:
                resolve(reference)
            except InputError as error:
                problems.append(Problem(path, str(error)))
        if options.http2 is True and importlib.util.find_spec("h2") is None:
            told = 'true needs the package h2, which is not installed: expected "auto" or false'
            problems.append(Problem("http2", told))
        return problems

    async def open(self, options: OpenAIOptions, *, seed: int, workdir: Path) -> Session:
        """Start a session; raises InputError for what is missing. Connects when first asked."""
        del seed, workdir  # seeds come with the requests; there are no files
        for problem in self.missing(options):
            raise InputError(f"backend openai: {problem}")
        secrets = secret_headers(options)
        from .client import HttpClient
        from .sampler import OpenAISession

        return OpenAISession(options, HttpClient(options, secrets), secrets)

    def most_usd(self, options: OpenAIOptions, request: BackendRequest) -> float | None:
        """By the prices in the options, when the answer has a longest length."""
        return most_usd(options, request)


def references(options: OpenAIOptions) -> Iterator[tuple[str, str, str]]:
    """Option, header and reference of every secret."""
    for name, value in options.headers.items():
        if is_reference(value):
            yield child("headers", name), name, value
    if options.api_key is not None:
        yield "api_key", "authorization", options.api_key


def secret_headers(options: OpenAIOptions) -> dict[str, Secret]:
    """The headers whose values are secret, resolved."""
    found = {header: resolve(reference) for _, header, reference in references(options)}
    if options.api_key is not None:
        found["authorization"] = Secret(f"Bearer {found['authorization'].reveal()}")
    return found
