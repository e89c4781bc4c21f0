"""How long to wait before a retry: a pure function.

Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", 2015), never shorter than
what the other side asked for. Jitter comes from the request's key, so that a run can be repeated.
"""

from __future__ import annotations

import random

__all__ = ["retry_delay"]


def retry_delay(
    key: str, attempt: int, *, base_s: float, cap_s: float, retry_after_s: float | None = None
) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (from 1)."""
    ceiling = min(cap_s, base_s * 2 ** min(attempt - 1, 30))
    delay = random.Random(f"{key}/{attempt}").uniform(0.0, ceiling)
    return max(delay, retry_after_s or 0.0)
