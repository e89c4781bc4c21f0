"""The backend ``openai`` of experiments: resolves the keys, opens the connections, hands out the session.

Keys are read here and not when the options are decoded, so that a file can be checked on a machine without
them; still a missing key ends the run before anything is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from ....actors.ports import Capabilities, Session
from ....messages.requests import BackendRequest
from ....messages.secret_keys import is_reference
from .options import OpenAIOptions
from .prices import most_usd
from .secret import Secret, resolve

__all__ = ["OpenAIBackend"]

NEUTRAL = frozenset(
    {
        "stream",
        "connect_timeout_s",
        "read_timeout_s",
        "max_connections",
        "http2",
        "max_reply_bytes",
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

    async def open(self, options: OpenAIOptions, *, seed: int, workdir: Path) -> Session:
        """Start a session; raises InputError when a key is missing. Connects when first asked."""
        del seed, workdir  # seeds come with the requests; there are no files
        secrets = secret_headers(options)
        from .client import HttpClient
        from .sampler import OpenAISession

        return OpenAISession(options, HttpClient(options, secrets), secrets)

    def most_usd(self, options: OpenAIOptions, request: BackendRequest) -> float | None:
        """By the prices in the options, when the answer has a longest length."""
        return most_usd(options, request)


def secret_headers(options: OpenAIOptions) -> dict[str, Secret]:
    """The headers whose values are secret, resolved."""
    found = {
        name: resolve(value, f"backend openai: headers.{name}")
        for name, value in options.headers.items()
        if is_reference(value)
    }
    if options.api_key is not None:
        key = resolve(options.api_key, "backend openai: api_key")
        found["authorization"] = Secret(f"Bearer {key.reveal()}")
    return found
