"""What a sampler is asked and what it answers."""

from typing import TYPE_CHECKING

from msgspec import field

from .base import Message
from .records import Completion, Prompt, Race, SamplingParams, Usage

__all__ = ["BackendReply", "BackendRequest", "RaceOutcome", "StoredReply"]


class BackendReply(Message, frozen=True):
    """The answer of a sampler to one request."""

    completions: tuple[Completion, ...]
    usage: Usage = field(default_factory=Usage)
    latency_s: float = 0.0
    first_token_s: float | None = None
    """Seconds to the first piece of the answer; None when it was not streamed."""
    cost_usd: float | None = None
    model: str | None = None


class BackendRequest(Message, frozen=True):
    """One request. ``key`` is the idempotency key: the same over retries, restarts and runs.

    With ``run`` and ``attempt`` it names one call to the outside: whoever makes that call again after a
    restart names it alike, and every retry and every duplicate in a race is another one.
    """

    key: str
    example_id: str
    prompt: Prompt
    params: SamplingParams = field(default_factory=SamplingParams)
    attempt: int = 1
    run: str = ""
    """Id of the run that asks."""

    if TYPE_CHECKING:

        def __reply__(self) -> BackendReply: ...


class RaceOutcome(Message, frozen=True):
    """What came of a request that was raced: a reply, or one line that names each attempt."""

    attempts: int
    """Requests that were sent, duplicates and retries included."""
    latency_s: float
    """From the first request of the last round to the answer."""
    race: Race
    reply: BackendReply | None = None
    error: str | None = None
    sent: tuple[str, ...] = ()
    """Kind and backend of each request, in the order they were sent."""


class StoredReply(Message, frozen=True):
    """A reply as the cache keeps it."""

    reply: BackendReply
    backend: str | None = None
    """The tier that answered, where a request may go to several."""
