"""Runs, daemons and a clock for tests of stores."""

from __future__ import annotations

import hashlib
from typing import Any

from crucible.messages.queue import DaemonRecord, NewRun, NewSchedule, StageRecord

START = 1_700_000_000.0


class FakeClock:
    """Wall-clock time that a test moves."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def new_run(id_: str = "r1", *, spec: bytes = b'{"id":"e"}', **fields: Any) -> NewRun:
    fields.setdefault("experiment_id", "experiment")
    fields.setdefault("base", "/data")
    return NewRun(id=id_, spec=spec, spec_hash=hashlib.sha256(spec).hexdigest(), **fields)


def new_schedule(id_: str = "nightly", **fields: Any) -> NewSchedule:
    spec: bytes = fields.pop("spec", b'{"id":"e"}')
    fields.setdefault("cron", "0 3 * * *")
    return NewSchedule(
        id=id_,
        experiment_id="experiment",
        spec=spec,
        spec_hash=hashlib.sha256(spec).hexdigest(),
        base="/data",
        **fields,
    )


def daemon(id_: str = "d1", boot: str = "b1", **fields: Any) -> DaemonRecord:
    return DaemonRecord(
        id=id_,
        boot_id=boot,
        host="host",
        pid=fields.pop("pid", 1),
        started_at=0.0,
        heartbeat_at=0.0,
        capacity=2,
    )


def stage(run_id: str, token: int, name: str = "data_load", **fields: Any) -> StageRecord:
    fields.setdefault("input_hash", "h1")
    fields.setdefault("status", "completed")
    return StageRecord(run_id=run_id, token=token, name=name, **fields)
