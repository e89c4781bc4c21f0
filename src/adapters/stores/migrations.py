"""The tables, as a list of changes: a database has had the first N of them, and ``schema_version`` says N.

One text for both dialects; ``TYPES`` says what differs. They run at start and by ``crucible db upgrade``, all
in one transaction. A database with more changes than are known here was made by a newer Crucible; it is
refused and left as it is. A change that was released is never edited: add another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...messages.errors import InputError
from .steps import Steps, ask, do, now

__all__ = ["MIGRATIONS", "TYPES", "VERSIONS", "check_version", "migrate", "version_of"]

VERSIONS = "schema_version"
"""The table that says how many changes a database has had."""

TYPES = {
    "sqlite": {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "blob": "BLOB",
        "real": "REAL",
        "int": "INTEGER",
    },
    "postgres": {
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "blob": "BYTEA",
        "real": "DOUBLE PRECISION",
        "int": "BIGINT",
    },
}

_FIRST = (
    """CREATE TABLE run (
        seq {serial},
        id TEXT NOT NULL UNIQUE,
        experiment_id TEXT NOT NULL,
        spec_hash TEXT NOT NULL,
        base TEXT NOT NULL,
        state TEXT NOT NULL,
        owner TEXT NOT NULL,
        priority {int} NOT NULL,
        submitted_at {real} NOT NULL,
        run_at {real} NOT NULL,
        key TEXT UNIQUE,
        started_at {real},
        ended_at {real},
        ran_s {real} NOT NULL,
        deadline_s {real},
        attempt {int} NOT NULL,
        max_attempts {int} NOT NULL,
        interruptions {int} NOT NULL,
        token {int} NOT NULL,
        daemon TEXT,
        boot TEXT,
        leased_at {real},
        lease_until {real},
        settled TEXT,
        cancel TEXT,
        pause {int} NOT NULL,
        reason TEXT,
        metrics TEXT NOT NULL,
        labels TEXT NOT NULL,
        schedule_id TEXT
    )""",
    "CREATE INDEX run_due ON run (state, priority DESC, run_at, seq)",
    "CREATE INDEX run_by_owner ON run (state, owner)",
    "CREATE INDEX run_ended ON run (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX run_by_state ON run (state, seq)",
    "CREATE TABLE spec (run_id TEXT PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE, body {blob} NOT NULL)",
    """CREATE TABLE stage (
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        input_hash TEXT NOT NULL,
        seq {int} NOT NULL,
        status TEXT NOT NULL,
        seconds {real} NOT NULL,
        result {blob} NOT NULL,
        attempt {int} NOT NULL,
        token {int} NOT NULL,
        ended_at {real} NOT NULL,
        PRIMARY KEY (run_id, name, input_hash)
    )""",
    """CREATE TABLE effect (
        key TEXT PRIMARY KEY,
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        step {int} NOT NULL,
        state TEXT NOT NULL,
        remote_ref TEXT
    )""",
    "CREATE INDEX effect_by_run ON effect (run_id)",
    """CREATE TABLE session (
        run_id TEXT PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
        backend TEXT NOT NULL,
        remote_id TEXT NOT NULL,
        last_step {int} NOT NULL,
        checkpoint TEXT
    )""",
    """CREATE TABLE artifact (
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        bytes {int} NOT NULL,
        sha256 TEXT,
        PRIMARY KEY (run_id, name)
    )""",
    """CREATE TABLE event (
        seq {serial},
        run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        at {real} NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX event_by_run ON event (run_id, seq)",
    """CREATE TABLE daemon (
        id TEXT PRIMARY KEY,
        boot_id TEXT NOT NULL,
        host TEXT NOT NULL,
        pid {int} NOT NULL,
        started_at {real} NOT NULL,
        heartbeat_at {real} NOT NULL,
        capacity {int} NOT NULL
    )""",
    """CREATE TABLE schedule (
        id TEXT PRIMARY KEY,
        cron TEXT NOT NULL,
        experiment_id TEXT NOT NULL,
        spec {blob} NOT NULL,
        spec_hash TEXT NOT NULL,
        base TEXT NOT NULL,
        owner TEXT NOT NULL,
        priority {int} NOT NULL,
        max_attempts {int} NOT NULL,
        deadline_s {real},
        labels TEXT NOT NULL,
        next_at {real} NOT NULL,
        last_run_id TEXT,
        enabled {int} NOT NULL
    )""",
)

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (version {int} PRIMARY KEY, at {real} NOT NULL)"

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)


def version_of() -> Steps[int]:
    """How many changes the database has had."""
    rows = yield from ask("SELECT max(version) FROM schema_version")
    return rows[0][0] or 0


def check_version(version: int, where: str, known: int = len(MIGRATIONS)) -> None:
    """Refuse a database of a newer Crucible."""
    if version > known:
        raise InputError(
            f"{where}: has schema {version}, made by a newer Crucible; this one knows {known}: "
            "install the newer one again, nothing was changed"
        )


def migrate(
    dialect: str, where: str, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> Steps[tuple[int, int]]:
    """Bring the tables up to date; the versions before and after."""
    types = TYPES[dialect]
    yield from do(_VERSIONS.format_map(types))
    before = yield from version_of()
    check_version(before, where, len(migrations))
    for number, statements in enumerate(migrations[before:], start=before + 1):
        for statement in statements:
            yield from do(statement.format_map(types))
        at = yield from now()
        yield from do("INSERT INTO schema_version (version, at) VALUES (?, ?)", number, at)
    return before, len(migrations)
