"""Retries of one request.

Only transient errors are asked again; every attempt counts and passes the gate. Time and waiting come in as
functions, so that tests run in virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from ...messages.base import Message
from ...messages.errors import BackendError, BudgetError, TimedOutError, TransientError
from ...messages.requests import BackendReply, BackendRequest
from ..backoff import retry_delay
from ..ports import Sampler
from .gate import Gate
from .watcher import NOBODY, Watcher

__all__ = ["Answer", "RetryPolicy", "ask_with_retries"]


class RetryPolicy(Message, frozen=True):
    """How often and how fast a failed request is asked again."""

    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 4
    timeout_s: Annotated[float, Meta(gt=0)] = 120.0
    base_s: Annotated[float, Meta(ge=0)] = 0.5
    cap_s: Annotated[float, Meta(ge=0)] = 30.0


class Answer(Message, frozen=True):
    """What came of a request: a reply, or the last error in one line."""

    attempts: int
    latency_s: float
    """Of the attempt that answered (of the last one when none did)."""
    reply: BackendReply | None = None
    error: str | None = None


async def ask_with_retries(
    sampler: Sampler,
    request: BackendRequest,
    policy: RetryPolicy,
    *,
    gate: Gate | None = None,
    watcher: Watcher = NOBODY,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Answer:
    """Ask until there is an answer, a final error, or ``max_attempts`` is reached.

    Errors of the two backend kinds become part of the Answer; any other exception is a bug and gets out.
    Waiting at the gate counts neither as latency nor towards the time-out.
    """
    attempt = 1
    while True:
        if attempt > 1:
            request = msgspec.structs.replace(request, attempt=attempt)
        try:
            lease = None if gate is None else await gate.admit(request)
        except BudgetError as refusal:
            return Answer(attempts=attempt - 1, latency_s=0.0, error=f"BudgetError: {refusal}")
        watcher.sent()
        started = now()
        reply: BackendReply | None = None
        error: TransientError | BackendError | None = None
        try:
            async with asyncio.timeout(policy.timeout_s):
                reply = await sampler.sample(request)
        except TimeoutError:
            error = TimedOutError(f"no answer within {policy.timeout_s:g} s")
        except (TransientError, BackendError) as raised:
            error = raised
        finally:
            if lease is not None:
                lease.settle(reply, error)
        if reply is not None:
            return Answer(attempts=attempt, latency_s=reply.latency_s or now() - started, reply=reply)
        if attempt == policy.max_attempts or not isinstance(error, TransientError):
            text = f"{type(error).__name__}: {error}"
            return Answer(attempts=attempt, latency_s=now() - started, error=text)
        watcher.failed(f"{type(error).__name__}: {error}")
        await sleep(
            retry_delay(
                request.key,
                attempt,
                base_s=policy.base_s,
                cap_s=policy.cap_s,
                retry_after_s=error.retry_after_s,
            )
        )
        attempt += 1
