"""What the durable queue keeps: runs and what became of them. Stored by a store, shown by the API.

Times are seconds since the epoch by the clock of the store, never by that of a daemon, so that two daemons
with different clocks agree on who holds a lease. A run's id is also its run id and the name of its folder.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from .base import Message

__all__ = [
    "TERMINAL",
    "DaemonRecord",
    "Effect",
    "EffectState",
    "Lease",
    "LeaseNews",
    "NewRun",
    "NewSchedule",
    "QueueCounts",
    "QueuedRun",
    "RunFilter",
    "RunPage",
    "RunState",
    "Schedule",
    "Settlement",
    "StageRecord",
    "StoredArtifact",
    "StoredEvent",
    "StoredSession",
    "Submitted",
]

RunState = Literal["queued", "running", "paused", "completed", "failed", "cancelled", "parked"]
"""``queued`` covers scheduled and retried runs whose time has not come; ``parked`` is the dead letter: a run
that took its daemon down too often, or that was retried in vain. Only somebody's ``retry`` moves it on."""

TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled", "parked"})

EffectState = Literal["intent", "sent", "acknowledged", "unknown"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NewRun(Message, frozen=True):
    """A submission. ``spec`` is the experiment as JSON, already checked; ``spec_hash`` its SHA-256."""

    id: str
    experiment_id: str
    spec: bytes
    spec_hash: str
    base: str
    """Folder that relative paths in the experiment count from."""
    key: Name | None = None
    """Idempotency key: the same key and hash give the same run, the same key and another hash a conflict."""
    owner: Name = "local"
    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0
    """Higher goes first; of equals the one that has waited longest."""
    run_at: float | None = None
    """Not before; None: at once."""
    deadline_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Seconds that all attempts together may run; then the run fails."""
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    schedule_id: str | None = None


class QueuedRun(Message, frozen=True):
    """A run as the queue knows it, without its spec."""

    id: str
    experiment_id: str
    spec_hash: str
    base: str
    state: RunState
    owner: str
    priority: int
    submitted_at: float
    run_at: float
    key: str | None = None
    started_at: float | None = None
    """Of the first attempt."""
    ended_at: float | None = None
    ran_s: float = 0.0
    """Seconds under a lease so far, over all attempts that have ended."""
    deadline_s: float | None = None
    attempt: Count = 0
    """Attempts begun. An attempt that a daemon handed back, or died under, is not counted."""
    max_attempts: int = 3
    interruptions: Count = 0
    """Daemons that died under it in a row."""
    token: Count = 0
    """Grows with every lease; what an older token writes changes nothing."""
    daemon: str | None = None
    lease_until: float | None = None
    cancel: str | None = None
    """Why somebody wants it cancelled; None: nobody does."""
    pause: bool = False
    reason: str | None = None
    """One line: why it is in this state, if that needs saying."""
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)
    """A few headline figures of a completed run."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    schedule_id: str | None = None


class Submitted(Message, frozen=True):
    """The run of a submission; ``created`` is false when the key had been used for the same spec."""

    run: QueuedRun
    created: bool


class Lease(Message, frozen=True):
    """The right to work on a run: named by run and token, good until it runs out or is settled."""

    run: QueuedRun
    spec: bytes
    token: int
    ttl_s: float


class LeaseNews(Message, frozen=True):
    """What a renewal says. ``held`` false: stop at once and write nothing more."""

    run_id: str
    held: bool
    cancel: str | None = None
    pause: bool = False


class Settlement(Message, frozen=True):
    """How a lease ends. ``queued`` gives the run back to the queue.

    ``counted`` false: the attempt is not the run's doing (the daemon stops), so it is not counted.
    """

    state: RunState
    reason: str | None = None
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Of ``queued``: not before that many seconds have passed."""
    counted: bool = True
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)


class StageRecord(Message, frozen=True):
    """A stage of a run, recorded once under the hash of all that its result depends on."""

    run_id: str
    name: str
    input_hash: str
    status: Literal["completed", "failed", "skipped"]
    seconds: float = 0.0
    result: bytes = b""
    """The StageResult as JSON."""
    attempt: int = 0
    token: int = 0
    ended_at: float = 0.0


class Effect(Message, frozen=True):
    """A call to the outside that changes something there: written down before it is made."""

    run_id: str
    key: str
    """Idempotency key, the same over restarts; unique in the store."""
    stage: str
    step: int
    state: EffectState = "intent"
    remote_ref: str | None = None
    created: bool = True
    """False when the intent was there before: the call may have been made already."""


class StoredSession(Message, frozen=True):
    """Where a training stands on the other side."""

    run_id: str
    backend: str
    remote_id: str
    last_step: int = 0
    checkpoint: str | None = None


class StoredEvent(Message, frozen=True):
    """Something that happened, in the order in which the store learnt of it."""

    seq: int
    run_id: str
    at: float
    kind: str
    """run.submitted, run.started, stage.completed, stage.reused, stage.repeated, run.completed, ..."""
    body: dict[str, Any] = msgspec.field(default_factory=dict)


class StoredArtifact(Message, frozen=True):
    """A file of a run; ``name`` is relative to the run folder."""

    run_id: str
    name: str
    media_type: str
    bytes: int
    sha256: str | None = None


class DaemonRecord(Message, frozen=True):
    """A daemon that works on the store, and when it was last heard of."""

    id: str
    boot_id: str
    host: str
    pid: int
    started_at: float
    heartbeat_at: float
    capacity: int


class NewSchedule(Message, frozen=True):
    """Submit a spec again and again, by a cron expression in UTC."""

    id: str
    cron: str
    experiment_id: str
    spec: bytes
    spec_hash: str
    base: str
    owner: str = "local"
    priority: int = 0
    max_attempts: int = 3
    deadline_s: float | None = None
    next_at: float = 0.0
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class Schedule(Message, frozen=True):
    """A schedule as the store keeps it."""

    id: str
    cron: str
    experiment_id: str
    owner: str
    priority: int
    next_at: float
    last_run_id: str | None = None
    enabled: bool = True


class RunFilter(Message, frozen=True):
    """Which runs to list; None means any."""

    states: tuple[RunState, ...] | None = None
    owner: str | None = None
    experiment_id: str | None = None
    text: str | None = None
    """Part of the id or of the experiment's id, letter case ignored."""
    label: tuple[str, str] | None = None
    """Name and value of a label."""


class RunPage(Message, frozen=True):
    """Some runs, newest first; ``cursor`` leads to the next page, None at the end."""

    runs: tuple[QueuedRun, ...]
    cursor: str | None = None


class QueueCounts(Message, frozen=True):
    """Runs by state, and how long the oldest due one has waited."""

    by_state: dict[str, int]
    oldest_due_s: float | None = None
