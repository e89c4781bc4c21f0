"""What an answer cost, by the prices in the options; no price is built in, and unknown stays unknown."""

from __future__ import annotations

import msgspec

from ....messages.records import Usage
from ....messages.requests import BackendRequest
from .options import OpenAIOptions

__all__ = ["cost_usd", "most_usd"]

TEMPLATE_TOKENS = 256
"""What a chat template may put around a message."""


def cost_usd(options: OpenAIOptions, usage: Usage, cached_tokens: int) -> float | None:
    """US dollars for the tokens; None without prices. ``cached_tokens`` are part of the prompt's tokens."""
    paid_in, paid_out = options.price_per_million_input_usd, options.price_per_million_output_usd
    if paid_in is None or paid_out is None:
        return None
    paid_cached = options.price_per_million_cached_input_usd
    cached = min(max(cached_tokens, 0), usage.prompt_tokens)
    total = (usage.prompt_tokens - cached) * paid_in + usage.completion_tokens * paid_out
    return (total + cached * (paid_in if paid_cached is None else paid_cached)) / 1e6


def most_usd(options: OpenAIOptions, request: BackendRequest) -> float | None:
    """The most that a request can cost; None without prices, or when the length of an answer has no bound.

    A tokenizer over bytes makes at most one token of each byte. A server that gives fewer than ``n`` answers
    is asked again, and then each answer pays for the prompt.
    """
    paid_in, paid_out = options.price_per_million_input_usd, options.price_per_million_output_usd
    longest = _longest_answer(options, request)
    if paid_in is None or paid_out is None or longest is None:
        return None
    system = request.prompt.system or options.system or ""
    text = len(request.prompt.text.encode("utf-8", "surrogatepass")) + len(system.encode())
    prompt = text + len(msgspec.json.encode(options.extra_body)) + TEMPLATE_TOKENS
    paid_in = max(paid_in, options.price_per_million_cached_input_usd or 0.0)
    return request.params.n * (prompt * paid_in + longest * paid_out) / 1e6


def _longest_answer(options: OpenAIOptions, request: BackendRequest) -> int | None:
    own = [options.extra_body[n] for n in ("max_tokens", "max_completion_tokens") if n in options.extra_body]
    if own:
        return max(own) if all(type(value) is int and value > 0 for value in own) else None
    return None if "max_tokens" in options.omit else request.params.max_tokens
