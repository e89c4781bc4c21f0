"""What a run writes to the store while it goes on: stages, events, effects, sessions; all under its token.

Used by the run's actor, and, as ``EffectLog``, by its training. Every write waits out failures of the store
for as long as the lease holds, and can be repeated without changing anything.

A stage is recorded once. When an attempt comes to one that an earlier attempt has recorded, that record
stands, and the events say so: ``stage.reused`` when the stage did not run in this attempt, ``stage.repeated``
when it did, because later stages needed its samples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from ...messages.control import Artifact, RunEvent, StageCompleted, StageFailed, StageStarted
from ...messages.flow import StageResult
from ...messages.queue import (
    Effect,
    EffectState,
    QueuedRun,
    Settlement,
    StageRecord,
    StoredArtifact,
    StoredSession,
)
from ..store import Store
from .hold import Hold

__all__ = ["Record"]


class Record:
    """Of one attempt. Implements ``durability.EffectLog``."""

    def __init__(self, store: Store, hold: Hold, run: QueuedRun) -> None:
        self._store = store
        self._hold = hold
        self._run = run
        self._hashes: Mapping[str, str] = {}
        self._there: Sequence[StageRecord] = ()
        self._recorded: set[str] = set()
        self._kept: Collection[str] = ()
        self._begun: set[str] = set()

    async def look(self) -> None:
        """See what earlier attempts have recorded, before anything is planned."""
        self._there = await self._hold.patiently(lambda: self._store.stages(self._run.id))

    def planned(self, hashes: Mapping[str, str], kept: Collection[str]) -> None:
        """The run is planned: its stages' input hashes, and those stages that do not run in this attempt."""
        self._hashes, self._kept = hashes, kept
        self._recorded = {
            each.name
            for each in self._there
            if each.status != "failed" and each.input_hash == hashes.get(each.name, "")
        }

    async def take(self, event: RunEvent) -> None:
        """Store what an event says that has to outlive the process."""
        match event:
            case StageStarted(stage=stage) if stage not in self._kept:
                self._begun.add(stage)
                await self._event("stage.started", {"stage": stage})
            case StageCompleted(result=result):
                await self.stage(result)
            case StageFailed(stage=stage, reason=reason):
                await self._event("stage.failed", {"stage": stage, "reason": reason})

    async def _event(self, kind: str, body: Mapping[str, Any]) -> None:
        run, token = self._run, self._hold.token
        await self._hold.patiently(lambda: self._store.record_event(run.id, token, kind, body))

    async def stage(self, result: StageResult) -> None:
        """Record a stage, once."""
        body = {"received": result.received, "emitted": result.emitted, "seconds": result.seconds}
        if result.stage in self._recorded and result.status != "failed":
            kind = "stage.repeated" if result.stage in self._begun else "stage.reused"
            await self._event(kind, {"stage": result.stage, **body})
            return
        record = StageRecord(
            run_id=self._run.id,
            name=result.stage,
            input_hash=self._hashes.get(result.stage, ""),
            status=result.status,
            seconds=result.seconds,
            result=msgspec.json.encode(result),
            attempt=self._run.attempt,
            token=self._hold.token,
        )
        await self._hold.patiently(lambda: self._store.record_stage(record, body=body))

    async def artifacts(self, artifacts: Sequence[Artifact]) -> None:
        """List the files that the run left."""
        run, token = self._run.id, self._hold.token
        stored = [
            StoredArtifact(run_id=run, name=each.name, media_type=each.media_type, bytes=each.bytes)
            for each in artifacts
        ]
        await self._hold.patiently(lambda: self._store.record_artifacts(run, token, stored))

    async def settle(self, settlement: Settlement) -> QueuedRun:
        """End the lease."""
        run, token = self._run.id, self._hold.token
        settled = await self._hold.patiently(lambda: self._store.settle(run, token, settlement))
        self._hold.close()
        return settled

    # Effects

    async def intend(self, key: str, *, stage: str, step: int) -> None:
        """See ``EffectLog``."""
        effect = Effect(run_id=self._run.id, key=f"{self._run.id}/{key}", stage=stage, step=step)
        await self._hold.patiently(lambda: self._store.intend(self._hold.token, effect))
        await self._set(key, "sent")

    async def done(self, key: str, *, remote_ref: str | None = None) -> None:
        """See ``EffectLog``."""
        await self._set(key, "acknowledged", remote_ref)

    async def _set(self, key: str, state: EffectState, remote_ref: str | None = None) -> None:
        run, token = self._run.id, self._hold.token
        await self._hold.patiently(
            lambda: self._store.effect(run, token, f"{run}/{key}", state, remote_ref=remote_ref)
        )

    async def trained(self, *, backend: str, remote_id: str, step: int, checkpoint: str | None) -> None:
        """See ``EffectLog``."""
        session = StoredSession(
            run_id=self._run.id,
            backend=backend,
            remote_id=remote_id,
            last_step=step,
            checkpoint=checkpoint,
        )
        await self._hold.patiently(lambda: self._store.save_session(self._hold.token, session))
