"""What an operation asks of a database, told apart from how that is asked.

An operation is a generator: it yields steps and is sent what came of them. SQLite drives it inside its writer
thread, PostgreSQL on the event loop, each within one transaction; so there is one text for both. Statements
are written with ``?`` and in the common part of both dialects.

Order of locks, so that no two transactions wait for each other: ``hold`` of "submit" or "claim" first, then
rows (several in the order of their ids, or skipping locked ones), then "events", last and until the commit.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from .entries import NewEvent, as_json

__all__ = ["Ask", "Do", "Hold", "Now", "Steps", "ask", "do", "hold", "now", "tell"]

Lock = Literal["", " FOR UPDATE", " FOR UPDATE SKIP LOCKED"]
Row: TypeAlias = Any
"""A tuple, or what can be indexed like one."""


class Ask(NamedTuple):
    """Rows, locked until the end of the transaction if so asked. SQLite has one writer and needs no locks."""

    sql: str
    args: tuple[Any, ...]
    lock: Lock = ""


class Do(NamedTuple):
    """A write; gives the number of rows."""

    sql: str
    args: tuple[Any, ...]


class Now(NamedTuple):
    """The time by the store's clock."""


class Hold(NamedTuple):
    """One transaction at a time goes on from here."""

    name: Literal["submit", "claim", "events"]


T = TypeVar("T")
Steps: TypeAlias = Generator[Ask | Do | Now | Hold, Any, T]


def ask(sql: str, *args: Any, lock: Lock = "") -> Steps[list[Row]]:
    """All rows."""
    rows: list[Row] = yield Ask(sql, args, lock)
    return rows


def do(sql: str, *args: Any) -> Steps[int]:
    """How many rows were written."""
    count: int = yield Do(sql, args)
    return count


def now() -> Steps[float]:
    """Seconds since the epoch."""
    time: float = yield Now()
    return time


def hold(name: Literal["submit", "claim", "events"]) -> Steps[None]:
    """Wait for one's turn."""
    yield Hold(name)


def tell(events: Iterable[NewEvent], at: float) -> Steps[None]:
    """Add events; the last thing an operation does.

    A number is taken under a lock that is held until the commit. So numbers become visible in their order,
    and who has read up to one never misses a lower one.
    """
    lines = [(event.run_id, at, event.kind, as_json(event.body)) for event in events]
    if lines:
        yield from hold("events")
    for line in lines:
        yield from do("INSERT INTO event (run_id, at, kind, body) VALUES (?, ?, ?, ?)", *line)


def json_object(text: str) -> dict[str, Any]:
    """The object of a column that holds JSON."""
    return {} if text == "{}" else msgspec.json.decode(text, type=dict[str, Any])


def as_text(value: Mapping[str, Any]) -> str:
    """Such a column."""
    return as_json(value) if value else "{}"
