"""What the HTTP API says beyond what the queue and the live side keep: problems, stages, files, tickets.

Written by the API, read by the client. Field names are part of the API: they are added, never renamed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .base import Message
from .flow import StageResult
from .live import ActorView, LiveRun
from .queue import StageRecord

__all__ = [
    "RUN_ID",
    "Health",
    "LiveView",
    "ProblemDocument",
    "ProblemItem",
    "Reason",
    "RunFile",
    "StageView",
    "Ticket",
    "TicketRequest",
]

RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,159}$"
"""Of runs and schedules. An id that does not look like this is none, and never meets a path."""

ProblemCode = Literal[
    "bad_request",
    "conflict",
    "forbidden",
    "input",
    "internal",
    "not_found",
    "quota",
    "too_large",
    "unauthorized",
    "unavailable",
]


class ProblemItem(Message, frozen=True):
    """One thing wrong with what was sent."""

    path: Annotated[str, Meta(description="Where, for example pipeline[3].options.lora_rank.")]
    message: str
    line: Annotated[int | None, Meta(description="In the text that was sent.")] = None


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Every error of the API, as RFC 9457 wants it. Readers skip members that they do not know."""

    title: Annotated[str, Meta(description="The status in words.")]
    status: int
    detail: Annotated[str, Meta(description="One line: what is wrong.")]
    type: str = "about:blank"
    code: Annotated[ProblemCode, Meta(description="What kind of problem, for programs.")] = "bad_request"
    errors: Annotated[
        tuple[ProblemItem, ...], Meta(description="Of an experiment or a parameter: everything at once.")
    ] = ()


class StageView(Message, frozen=True):
    """A stage of a run that is recorded, with its result."""

    name: str
    status: str
    attempt: int
    seconds: float
    ended_at: float
    input_hash: str
    result: StageResult | None = None

    @classmethod
    def of(cls, record: StageRecord) -> StageView:
        """What a store has of it."""
        return cls(
            name=record.name,
            status=record.status,
            attempt=record.attempt,
            seconds=record.seconds,
            ended_at=record.ended_at,
            input_hash=record.input_hash,
            result=msgspec.json.decode(record.result, type=StageResult) if record.result else None,
        )


class LiveView(Message, frozen=True):
    """What this daemon does now."""

    status: dict[str, Any]
    runs: tuple[LiveRun, ...]
    actors: ActorView


class RunFile(Message, frozen=True):
    """A file in a run's folder."""

    name: str
    media_type: str
    bytes: int
    sha256: str | None = None
    """Known of files that the daemon has recorded."""


class Reason(Message, frozen=True):
    """Why a run is cancelled."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)] = "cancelled"


class TicketRequest(Message, frozen=True):
    """Asks for a link to one file that works without the token."""

    path: Annotated[
        str,
        Meta(
            max_length=2000,
            pattern=r"^/api/v1/runs/[^/]+/files/.",
            description="Path of a file, as /api/v1/runs/ID/files/NAME, nothing in it quoted.",
        ),
    ]


class Ticket(Message, frozen=True):
    """A link to one file, good for a minute, for a browser to follow."""

    url: str
    expires_at: float


class Health(Message, frozen=True):
    """Whether the daemon can do its work."""

    status: Literal["ok", "unavailable"]
    reason: str | None = None
