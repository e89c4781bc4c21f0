"""Counts tokens and their cost by the prices in the options; no price is built in, unknown stays unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....messages.records import Usage
from .options import TinkerPrices

__all__ = ["Accounts", "sampling_cost"]


@dataclass(slots=True)
class Accounts:
    """Tokens that the service was given in training."""

    train_tokens: int = 0
    """Forward and backward, those that were repeated after a fault included."""
    repeated_tokens: int = 0
    held_out_tokens: int = 0
    """Forward only; counted at the price of prefill."""
    regulariser_tokens: int = 0
    """Forward passes for regularisers, of the model and of its reference; at the price of prefill."""

    def cost_usd(self, prices: TinkerPrices) -> float | None:
        """None when a price is missing for something that was used."""
        forward = self.held_out_tokens + self.regulariser_tokens
        return _sum((self.train_tokens, prices.train), (forward, prices.prefill))

    def figures(self, prices: TinkerPrices) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "train_tokens": self.train_tokens,
            "repeated_tokens": self.repeated_tokens,
            "held_out_tokens": self.held_out_tokens,
            **({"regulariser_tokens": self.regulariser_tokens} if self.regulariser_tokens else {}),
            "cost_usd": self.cost_usd(prices),
        }


def sampling_cost(usage: Usage, prices: TinkerPrices) -> float | None:
    """US dollars of one answer; None when a price is missing."""
    return _sum((usage.prompt_tokens, prices.prefill), (usage.completion_tokens, prices.sample))


def _sum(*parts: tuple[int, float | None]) -> float | None:
    total = 0.0
    for tokens, price in parts:
        if tokens and price is None:
            return None
        total += tokens * (price or 0.0) / 1e6
    return total
