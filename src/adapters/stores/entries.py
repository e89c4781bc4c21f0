"""A run as a store keeps it, and the small facts that all stores read off it in the same way.

``Entry`` adds to the public ``QueuedRun`` what only stores need. Used by ``transitions`` and by the stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ...messages.errors import InputError, LeaseLostError, QuotaError
from ...messages.queue import QueuedRun, RunFilter, RunState

__all__ = [
    "Change",
    "Entry",
    "NewEvent",
    "after_cursor",
    "as_json",
    "check_quota",
    "check_text",
    "holds",
    "is_due",
    "matches",
    "one_line",
    "require_lease",
    "to_cursor",
]

LONGEST_REASON = 2_000


class Entry(msgspec.Struct, frozen=True):
    """A run, and what the store knows of it besides."""

    run: QueuedRun
    seq: int = 0
    """Order of submission."""
    boot: str | None = None
    """Boot of the daemon that holds the lease."""
    leased_at: float | None = None
    settled: RunState | None = None
    """As what the last lease was settled, by its holder; None while leased and when the lease ran out."""


class NewEvent(NamedTuple):
    """An event that has no number yet."""

    run_id: str
    kind: str
    body: Mapping[str, Any]


class Change(NamedTuple):
    """What a decision comes to: the run as it shall be, and what is to be told of it."""

    entry: Entry
    events: tuple[NewEvent, ...] = ()


def is_due(run: QueuedRun, now: float) -> bool:
    """Whether it may start. What was due when it was submitted stays so when the clock is set back."""
    return run.state == "queued" and (run.run_at <= now or run.run_at <= run.submitted_at)


def holds(entry: Entry, token: int, now: float) -> bool:
    """Whether the token is that of a lease that has not run out."""
    run = entry.run
    return (
        run.state == "running"
        and run.token == token
        and run.lease_until is not None
        and now < run.lease_until
    )


def require_lease(entry: Entry | None, run_id: str, token: int, now: float) -> Entry:
    """The entry, when the lease holds; else LeaseLostError."""
    if entry is None or not holds(entry, token, now):
        raise LeaseLostError(f"run {run_id}: lease {token} has run out or gone to another daemon")
    return entry


def matches(run: QueuedRun, where: RunFilter) -> bool:
    """Whether a list with that filter shows the run."""
    if where.states is not None and run.state not in where.states:
        return False
    if where.owner is not None and run.owner != where.owner:
        return False
    if where.experiment_id is not None and run.experiment_id != where.experiment_id:
        return False
    if where.label is not None and run.labels.get(where.label[0]) != where.label[1]:
        return False
    if where.text is None:
        return True
    text = where.text.lower()
    return text in run.id.lower() or text in run.experiment_id.lower()


def to_cursor(seq: int) -> str:
    """Where the next page begins."""
    return str(seq)


def after_cursor(cursor: str | None) -> int:
    """The submission number below which a page begins."""
    if cursor is None:
        return 2**63 - 1
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InputError("cursor: expected the cursor of a page before")
    return int(cursor)


def one_line(text: str | None) -> str | None:
    """A reason fit to be stored and shown: one line, bounded, valid text."""
    if text is None:
        return None
    line = " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def as_json(value: Any) -> str:
    """JSON text of a body, metrics or labels; InputError when they are no JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, UnicodeError) as error:
        raise InputError(f"expected values that JSON can hold: {error}") from None


def check_quota(waiting: int, limit: int | None, *, owner: str | None = None) -> None:
    """Refuse one more run in the queue; ``owner`` says whose part of it is meant."""
    if limit is not None and waiting >= limit:
        whose = "the queue" if owner is None else f"the queue of owner {owner!r}"
        raise QuotaError(f"{whose} is full: {waiting} runs wait, at most {limit} may")


def check_text(message: msgspec.Struct) -> None:
    """Refuse texts that no database keeps as they are: with a NUL, or with half a character."""
    for name, value in msgspec.structs.asdict(message).items():
        if isinstance(value, str) and ("\0" in value or not _encodes(value)):
            raise InputError(f"{name}: expected valid text without NUL characters")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
