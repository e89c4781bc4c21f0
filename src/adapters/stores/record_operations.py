"""What a run records under its lease, in SQL. Every operation locks the run and checks the lease first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...messages.errors import ConflictError, NotFoundError
from ...messages.queue import Effect, EffectState, StageRecord, StoredArtifact, StoredSession
from . import transitions
from .entries import Entry, NewEvent, require_lease
from .rows import find, update
from .steps import Row, Steps, ask, do, now, tell

__all__ = ["effect", "intend", "record_artifacts", "record_event", "record_stage", "save_session", "stage_of"]

STAGE_COLUMNS = "run_id, name, input_hash, status, seconds, result, attempt, token, ended_at"
EFFECT_COLUMNS = "run_id, key, stage, step, state, remote_ref"


def _leased(run_id: str, token: int) -> Steps[tuple[Entry, float]]:
    entry = yield from find(run_id)
    at = yield from now()
    return require_lease(entry, run_id, token, at), at


def stage_of(row: Row) -> StageRecord:
    """A row of ``STAGE_COLUMNS``."""
    record = StageRecord(**dict(zip(STAGE_COLUMNS.split(", "), row, strict=True)))
    return (
        record
        if type(record.result) is bytes
        else msgspec.structs.replace(record, result=bytes(record.result))
    )


def record_stage(record: StageRecord, body: Mapping[str, Any] | None) -> Steps[None]:
    """Record a stage once."""
    entry, at = yield from _leased(record.run_id, record.token)
    place = (record.run_id, record.name, record.input_hash)
    where = "WHERE run_id = ? AND name = ? AND input_hash = ?"
    rows = yield from ask(f"SELECT {STAGE_COLUMNS} FROM stage {where}", *place)
    if rows:
        if transitions.stage_stands(stage_of(rows[0]), record):
            return
        yield from do(f"DELETE FROM stage {where}", *place)
    yield from do(
        f"INSERT INTO stage ({STAGE_COLUMNS}, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " (SELECT coalesce(max(seq), 0) + 1 FROM stage WHERE run_id = ?))",
        *place,
        record.status,
        record.seconds,
        record.result,
        entry.run.attempt,
        record.token,
        at,
        record.run_id,
    )
    yield from update(entry, transitions.progressed(entry))
    yield from tell([transitions.stage_event(record, body)], at)


def record_event(run_id: str, token: int, kind: str, body: Mapping[str, Any]) -> Steps[None]:
    """Add an event."""
    _, at = yield from _leased(run_id, token)
    yield from tell([NewEvent(run_id, kind, body)], at)


def record_artifacts(run_id: str, token: int, artifacts: Sequence[StoredArtifact]) -> Steps[None]:
    """Replace the list of files."""
    yield from _leased(run_id, token)
    yield from do("DELETE FROM artifact WHERE run_id = ?", run_id)
    for each in {each.name: each for each in artifacts}.values():
        yield from do(
            "INSERT INTO artifact (run_id, name, media_type, bytes, sha256) VALUES (?, ?, ?, ?, ?)",
            run_id,
            each.name,
            each.media_type,
            each.bytes,
            each.sha256,
        )


def intend(token: int, effect: Effect) -> Steps[Effect]:
    """Write an effect down, unless it is."""
    yield from _leased(effect.run_id, token)
    count = yield from do(
        f"INSERT INTO effect ({EFFECT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
        effect.run_id,
        effect.key,
        effect.stage,
        effect.step,
        effect.state,
        effect.remote_ref,
    )
    if count:
        return msgspec.structs.replace(effect, created=True)
    rows = yield from ask(f"SELECT {EFFECT_COLUMNS} FROM effect WHERE key = ?", effect.key)
    there = Effect(**dict(zip(EFFECT_COLUMNS.split(", "), rows[0], strict=True)), created=False)
    if there.run_id != effect.run_id:
        raise ConflictError(f"effect {effect.key!r}: the key is taken by run {there.run_id}")
    return there


def effect(run_id: str, token: int, key: str, state: EffectState, remote_ref: str | None) -> Steps[None]:
    """Say what became of an effect."""
    yield from _leased(run_id, token)
    sql = "UPDATE effect SET state = ?, remote_ref = coalesce(?, remote_ref) WHERE key = ? AND run_id = ?"
    count = yield from do(sql, state, remote_ref, key, run_id)
    if not count:
        raise NotFoundError(f"run {run_id}: has no effect {key!r}")


def save_session(token: int, session: StoredSession) -> Steps[None]:
    """Replace where a training stands."""
    yield from _leased(session.run_id, token)
    yield from do(
        "INSERT INTO session (run_id, backend, remote_id, last_step, checkpoint) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run_id) DO UPDATE SET backend = excluded.backend, remote_id = excluded.remote_id,"
        " last_step = excluded.last_step, checkpoint = excluded.checkpoint",
        session.run_id,
        session.backend,
        session.remote_id,
        session.last_step,
        session.checkpoint,
    )
