"""Requests of like size, so that long answers are not taken for slow servers.

Called by the policy registry. Latency grows with the tokens read and, more, with the tokens written; both are
put into buckets of powers of two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .plan import RequestFeatures

__all__ = ["SizeClass", "size_class"]

_SMALLEST_PROMPT = 9  # 2**9 characters: about a hundred tokens, below which the prompt hardly matters
_SMALLEST_ANSWER = 4
_LARGEST = 24


class SizeClass(NamedTuple):
    """Powers of two: at most ``2**prompt`` characters asked and at most ``2**answer`` tokens answered."""

    prompt: int
    answer: int


def size_class(features: RequestFeatures) -> SizeClass:
    """The buckets of a request: 16 for prompts (512 to 16 million characters), 21 for answers (from 16)."""
    return _size(features.prompt_chars, features.max_tokens)


@lru_cache(maxsize=4096)
def _size(prompt_chars: int, max_tokens: int) -> SizeClass:
    return SizeClass(_power(prompt_chars, _SMALLEST_PROMPT), _power(max_tokens, _SMALLEST_ANSWER))


def _power(amount: int, smallest: int) -> int:
    return min(max((max(amount, 1) - 1).bit_length(), smallest), _LARGEST)
