"""How runs lie in their table: a column for each field of ``QueuedRun``, and those that only stores need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...messages.errors import NotFoundError, StoreError
from ...messages.queue import QueuedRun
from .entries import Change, Entry
from .steps import Lock, Steps, as_text, ask, do, json_object, tell

__all__ = ["COLUMNS", "entry_of", "find", "get", "insert", "update", "write"]

_PUBLIC = QueuedRun.__struct_fields__
_PRIVATE = ("seq", "boot", "leased_at", "settled")
_NAMES = _PUBLIC + _PRIVATE
_JSON = (_PUBLIC.index("metrics"), _PUBLIC.index("labels"))
_PAUSE = _PUBLIC.index("pause")
COLUMNS = ", ".join(_NAMES)


def entry_of(row: Sequence[Any]) -> Entry:
    """A row of ``COLUMNS``."""
    values = list(row)
    for index in _JSON:
        values[index] = json_object(values[index])
    values[_PAUSE] = bool(values[_PAUSE])
    width = len(_PUBLIC)
    run = QueuedRun(**dict(zip(_PUBLIC, values, strict=False)))
    return Entry(run, *values[width:])


def _values(entry: Entry) -> list[Any]:
    run = entry.run
    values = [getattr(run, name) for name in _PUBLIC]
    for index in _JSON:
        values[index] = as_text(values[index])
    values[_PAUSE] = int(run.pause)
    return [*values, entry.seq, entry.boot, entry.leased_at, entry.settled]


def find(run_id: str, lock: Lock = " FOR UPDATE") -> Steps[Entry | None]:
    """A run, or None."""
    rows = yield from ask(f"SELECT {COLUMNS} FROM run WHERE id = ?", run_id, lock=lock)
    return entry_of(rows[0]) if rows else None


def get(run_id: str, lock: Lock = " FOR UPDATE") -> Steps[Entry]:
    """A run, or NotFoundError."""
    entry = yield from find(run_id, lock)
    if entry is None:
        raise NotFoundError(f"there is no run {run_id!r}")
    return entry


def insert(entry: Entry) -> Steps[None]:
    """Add a run; the database numbers it."""
    values = dict(zip(_NAMES, _values(entry), strict=True))
    del values["seq"]
    yield from do(_insertion(tuple(values)), *values.values())


def update(old: Entry, new: Entry) -> Steps[None]:
    """Write what has changed, if nobody else has changed the run's lease since it was read."""
    pairs = zip(_NAMES, _values(old), _values(new), strict=True)
    changed = {name: after for name, before, after in pairs if before != after}
    if not changed:
        return
    count = yield from do(_updating(tuple(changed)), *changed.values(), old.run.id, old.run.token)
    if count != 1:
        raise StoreError(f"run {old.run.id}: was changed by somebody else")


def write(old: Entry, change: Change, at: float) -> Steps[QueuedRun]:
    """Write a decision with its events."""
    yield from update(old, change.entry)
    yield from tell(change.events, at)
    return change.entry.run


@lru_cache(maxsize=4)
def _insertion(names: tuple[str, ...]) -> str:
    return f"INSERT INTO run ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


@lru_cache(maxsize=200)
def _updating(names: tuple[str, ...]) -> str:
    return f"UPDATE run SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ? AND token = ?"
