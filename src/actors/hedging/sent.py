"""A request of a race that was sent, and the task that waits for its answer.

Called by ``flight``. An answer that says of itself that it is none counts as a failure. When it takes too
long is for the flight to see, which has one timer for all its requests.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec

from ...messages.errors import (
    BackendError,
    MalformedReplyError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
    TransientError,
)
from ...messages.requests import BackendReply, BackendRequest
from ..first_token import listen
from ..limits import Gate, Lease
from ..ports import Sampler
from ..runtime.clock import Clock
from .plan import AttemptOutcome

__all__ = ["Kind", "Lane", "Sent", "start"]

Kind = Literal["first", "retry", "backup", "hedge", "clone", "tier"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A backend that requests can be sent to."""

    name: str
    sampler: Sampler
    backend_id: str = ""
    gate: Gate | None = None
    """The limits; None: there are none."""


@dataclass(slots=True, eq=False, kw_only=True)
class Sent:
    """One request to one backend."""

    kind: Kind
    lane: Lane
    number: int
    """From 1; 0 when the circuit breaker kept it back."""
    started: float
    deadline: float = math.inf
    """When it has taken too long."""
    ticket: int = 0
    lease: Lease | None = None
    duplicate: bool = False
    """Another one was open when it was sent."""
    why: str = ""
    task: asyncio.Task[None] | None = None
    """While it is under way."""
    outcome: AttemptOutcome | None = None
    ended: float = 0.0
    first_token: float | None = None
    """When the answer began to stream; None when it did not, or not yet."""
    reply: BackendReply | None = None
    error: TransientError | BackendError | None = None
    bug: BaseException | None = None
    expired: bool = False
    loser: bool = False
    """It was open when its race was decided, and may end after it."""
    told: bool = False
    """Whether the pool knows that it is over."""

    @property
    def title(self) -> str:
        """Its kind and its backend."""
        return f"{self.kind} {self.lane.name}"

    @property
    def open(self) -> bool:
        """Whether it is under way."""
        return self.outcome is None and self.bug is None

    @property
    def overload(self) -> bool:
        """Whether it failed because the backend has too much to do."""
        return isinstance(self.error, RateLimitedError | OverloadedError)

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the backend asked for."""
        return self.error.retry_after_s if isinstance(self.error, TransientError) else None

    @property
    def blamed(self) -> bool:
        """Whether the backend is at fault."""
        return isinstance(self.error, TransientError) and not isinstance(self.error, RateLimitedError)

    @property
    def acceptable(self) -> bool:
        """Whether it has an answer that is one."""
        return self.reply is not None and self.error is None

    @property
    def begun(self) -> float | None:
        """When its answer began to come: with its first token, or whole where it was not streamed."""
        if self.first_token is not None or not self.acceptable:
            return self.first_token
        return self.ended

    def told_error(self) -> str:
        """One line."""
        return (
            f"{type(self.error).__name__}: {self.error}" if self.error is not None else self.outcome or "open"
        )

    def give_up(self, now: float) -> None:
        """Cancel it while it runs."""
        if self.task is not None:
            self.task.cancel()
        if self.open:
            self.outcome, self.ended = "cancelled", now

    def expire(self) -> None:
        """It has taken too long: cancel it, which ends it as a failure."""
        if self.open and not self.expired and self.task is not None:
            self.expired = True
            self.task.cancel()


def start(sent: Sent, request: BackendRequest, clock: Clock, done: Callable[[], None]) -> None:
    """Send it; ``done`` is called when the answer begins to stream and when it is over, however it ended."""
    if sent.number > 1:
        request = msgspec.structs.replace(request, attempt=sent.number)
    sent.task = asyncio.get_running_loop().create_task(_wait(sent, request, clock, done))
    if sent.lease is not None:
        sent.task.add_done_callback(lambda _task: _settle(sent))  # also when it is cancelled before it starts


async def _wait(sent: Sent, request: BackendRequest, clock: Clock, done: Callable[[], None]) -> None:
    listen(partial(_begin, sent, clock, done))
    try:
        _take(sent, await sent.lane.sampler.sample(request))
    except asyncio.CancelledError:
        sent.outcome = "timed_out" if sent.expired else "cancelled"
        if not sent.expired:
            raise
        sent.error = TimedOutError(f"no answer within {sent.deadline - sent.started:g} s")
    except (TransientError, BackendError) as error:
        sent.error = error
        sent.outcome = "timed_out" if isinstance(error, TimedOutError) else "failed"
    except Exception as error:  # noqa: BLE001  # a bug of the backend: the race raises it
        sent.bug = error
    finally:
        sent.ended, sent.task = clock.now(), None
        done()


def _settle(sent: Sent) -> None:
    if sent.lease is not None:
        sent.lease.settle(sent.reply, sent.error)


def _take(sent: Sent, reply: BackendReply) -> None:
    sent.outcome = "answered"
    if not reply.completions:
        sent.outcome, sent.error = "failed", BackendError("the reply holds no completion")
        return
    sent.reply = reply
    if reply.completions[0].finish_reason == "error":
        sent.error = MalformedReplyError("the reply says of itself that it is no answer")


def _begin(sent: Sent, clock: Clock, changed: Callable[[], None]) -> None:
    if sent.open and sent.first_token is None:
        sent.first_token = clock.now()
        changed()
