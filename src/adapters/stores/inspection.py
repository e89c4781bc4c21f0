"""What is in a queue, and whether it is sound: operations for ``crucible db``, for both databases."""

from __future__ import annotations

import base64
from collections.abc import Container
from typing import Any

import msgspec

from ...messages.queue import TERMINAL
from .migrations import VERSIONS, check_version, version_of
from .steps import Steps, ask

__all__ = ["TABLES", "Inspection", "export_line", "inspect", "select_all"]

TABLES = {
    "run": "seq",
    "spec": "run_id",
    "stage": "run_id, seq",
    "effect": "key",
    "session": "run_id",
    "artifact": "run_id, name",
    "event": "seq",
    "daemon": "id",
    "schedule": "id",
}
"""In what order the rows of each are exported."""

_ENDED = ", ".join(f"'{state}'" for state in sorted(TERMINAL))
_MUST_NOT_BE = {
    "is running without a lease": (
        "state = 'running' AND (daemon IS NULL OR lease_until IS NULL OR leased_at IS NULL)",
        "run",
    ),
    "has a lease, but is not running": (
        "state <> 'running' AND (daemon IS NOT NULL OR lease_until IS NOT NULL)",
        "run",
    ),
    "has ended, but not when": (f"state IN ({_ENDED}) AND ended_at IS NULL", "run"),
    "has not ended, but when": (f"state NOT IN ({_ENDED}) AND ended_at IS NOT NULL", "run"),
    "has lost its experiment": ("NOT EXISTS (SELECT 1 FROM spec WHERE run_id = run.id)", "spec"),
    "has lost its events": ("NOT EXISTS (SELECT 1 FROM event WHERE run_id = run.id)", "event"),
}
"""What is told of a run, by which condition, and the table that it needs besides that of runs."""
MOST_NAMED = 20


class Inspection(msgspec.Struct):
    """What was found."""

    schema: int | None
    """None: its number may not be read."""
    runs: dict[str, int]
    """By state."""
    rows: dict[str, int]
    """By table."""
    problems: list[str]
    """One line each; empty when it is sound, as far as it was looked at."""
    unchecked: list[str]
    """Tables that may not be read."""


def inspect(where: str, closed: Container[str] = ()) -> Steps[Inspection]:
    """Count everything, and look for what must not be; not in the tables that are closed to the reader."""
    schema = None
    if VERSIONS not in closed:
        schema = yield from version_of()
        check_version(schema, where)
    states, rows, problems = [], {}, []
    if "run" not in closed:
        states = yield from ask("SELECT state, count(*) FROM run GROUP BY state ORDER BY state")
    for table in TABLES:
        if table not in closed:
            counted = yield from ask(f"SELECT count(*) FROM {table}")
            rows[table] = counted[0][0]
    for told, (condition, needed) in _MUST_NOT_BE.items():
        if "run" in closed or needed in closed:
            continue
        found = yield from ask(f"SELECT id FROM run WHERE {condition} ORDER BY seq LIMIT {MOST_NAMED}")
        problems += [f"run {row[0]}: {told}" for row in found]
    unchecked = [table for table in (VERSIONS, *TABLES) if table in closed]
    return Inspection(schema, {row[0]: row[1] for row in states}, rows, problems, unchecked)


def select_all(table: str) -> str:
    """All of a table, in order."""
    return f"SELECT * FROM {table} ORDER BY {TABLES[table]}"


def export_line(table: str, row: dict[str, Any]) -> bytes:
    """A row as one line of JSON. Bytes that are text stay readable, others are in base64."""
    return (
        msgspec.json.encode({"table": table, **{name: _plain(value) for name, value in row.items()}}) + b"\n"
    )


def _plain(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
