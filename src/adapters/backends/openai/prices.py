"""What an answer cost, by the prices in the options; no price is built in, and unknown stays unknown."""

from __future__ import annotations

from ....messages.records import Usage
from .options import OpenAIOptions

__all__ = ["cost_usd"]


def cost_usd(options: OpenAIOptions, usage: Usage, cached_tokens: int) -> float | None:
    """US dollars for the tokens; None without prices. ``cached_tokens`` are part of the prompt's tokens."""
    paid_in, paid_out = options.price_per_million_input_usd, options.price_per_million_output_usd
    if paid_in is None or paid_out is None:
        return None
    paid_cached = options.price_per_million_cached_input_usd
    cached = min(max(cached_tokens, 0), usage.prompt_tokens)
    total = (usage.prompt_tokens - cached) * paid_in + usage.completion_tokens * paid_out
    return (total + cached * (paid_in if paid_cached is None else paid_cached)) / 1e6
