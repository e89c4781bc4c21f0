"""How requests are sent: what both clients share of httpx, its errors, and when to try again."""

from __future__ import annotations

from typing import Any

import httpx

from ..messages.errors import (
    ConnectionFailedError,
    CrucibleError,
    OverloadedError,
    TimedOutError,
    TransientError,
)
from ..version import __version__
from .address import START, Address

__all__ = ["ATTEMPTS", "STREAM_TIMEOUT", "options", "transport_error", "try_again_s"]

ATTEMPTS = 4
FIRST_WAIT_S = 0.2
SILENCE_S = 50.0
"""Of an event stream: three of its heartbeats."""
STREAM_TIMEOUT = httpx.Timeout(10.0, read=SILENCE_S)


def options(address: Address, timeout_s: float) -> dict[str, Any]:
    """Of an httpx client. No redirects, and no proxy before a daemon on this machine."""
    return {
        "base_url": address.url,
        "headers": {"authorization": f"Bearer {address.token}", "user-agent": f"crucible/{__version__}"},
        "timeout": timeout_s,
        "trust_env": not address.is_local,
        "follow_redirects": False,
    }


def transport_error(error: httpx.HTTPError, address: Address) -> TransientError:
    """The library's error for one of httpx."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ConnectionFailedError(f"no daemon answers at {address.url}: {START}")
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError(f"the daemon at {address.url} did not answer in time: its log may say why")
    return ConnectionFailedError(f"the connection to {address.url} broke: {type(error).__name__}")


def try_again_s(error: CrucibleError, attempt: int, *, repeatable: bool) -> float | None:
    """How long to wait before the next attempt; None: give up.

    Nobody who listens is not waited for: a daemon that does not run will not do so a second later.
    """
    if attempt >= ATTEMPTS or not isinstance(error, TransientError) or START in str(error):
        return None
    if isinstance(error, OverloadedError):
        return error.retry_after_s if error.retry_after_s is not None else FIRST_WAIT_S
    return FIRST_WAIT_S * 2 ** (attempt - 1) if repeatable else None
