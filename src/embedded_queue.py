"""A durable queue inside somebody's program: the daemon's supervisor without its process, API and signals.

Made by ``engine.Supervisor`` when it is given a store. Leaving hands back what is under way: the next
supervisor or daemon on the same store and folder goes on with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from .actors.daemon.feed import LiveFeed
from .actors.daemon.supervisor import Daemon, DaemonParts, StopDaemon
from .actors.runtime import ActorRef, ActorSystem
from .actors.store import Store
from .durable import RunFolders
from .messages.control import RunEvent, RunResult
from .messages.experiment import Experiment
from .messages.experiment_file import encode_experiment
from .messages.queue import TERMINAL, DaemonRecord, NewRun, QueuedRun, RunFilter, RunState
from .messages.settings import DaemonSettings

__all__ = ["EmbeddedQueue", "new_run"]

RESUMABLE = {"resumable": "yes"}
"""Labels of a run that a later submission of the same experiment goes on with."""
UNFINISHED: tuple[RunState, ...] = ("queued", "running", "paused", "failed", "parked")


def new_run(experiment: Experiment, run_id: str, *, base: Path, key: str | None, max_attempts: int) -> NewRun:
    """A submission of this program."""
    spec = encode_experiment(experiment)
    return NewRun(
        id=run_id,
        experiment_id=experiment.id,
        spec=spec,
        spec_hash=hashlib.sha256(spec).hexdigest(),
        base=os.path.abspath(base),  # noqa: PTH100 - reads no disk
        key=key,
        max_attempts=max_attempts,
    )


class EmbeddedQueue:
    """One daemon's supervisor in an actor system, and its end."""

    def __init__(
        self,
        system: ActorSystem,
        store: Store,
        folder: Path,
        settings: DaemonSettings,
        *,
        use_cache: bool,
        own_only: bool,
        new_id: Callable[[str], str],
        on_event: Callable[[str, RunEvent], None],
        on_settled: Callable[[QueuedRun, RunResult | None], None],
    ) -> None:
        self._store = store
        self._own: set[str] = set()
        self._feed = LiveFeed(system)
        self._stopped = asyncio.Event()
        # The folder is this queue's: whoever comes after on it takes its runs over at once.
        name = settings.name or hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
        self._record = DaemonRecord(
            id=name,
            boot_id=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=0.0,
            heartbeat_at=0.0,
            capacity=settings.max_running,
        )
        runs = self._runs = RunFolders(folder, use_cache=use_cache)
        self._parts = DaemonParts(
            store=store,
            feed=self._feed,
            factory=runs.plan,
            settings=settings,
            record=self._record,
            new_id=new_id,
            on_event=on_event,
            on_settled=on_settled,
            among=(lambda: self._own) if own_only else None,
            delete_folder=runs.delete,
        )
        self._daemon: ActorRef = system.spawn(
            lambda: Daemon(self._parts, self._stopped),
            name="queue",
            restart="temporary",
            mailbox_capacity=4096,
        )

    async def submit(self, new: NewRun, *, resume: bool) -> QueuedRun:
        """Queue a run; it is on disk when this returns. Raises ConflictError for a key of another one.

        ``resume``: rather take up one of the same experiment that was submitted so and did not complete.
        """
        if resume:
            new = msgspec.structs.replace(new, labels=RESUMABLE)
        run = await self._taken_up(new) if resume else None
        if run is None:
            run = (await self._store.submit(new)).run
        self._own.add(run.id)
        self._feed.wake()
        return run

    async def _taken_up(self, new: NewRun) -> QueuedRun | None:
        """The latest unfinished run of the same experiment, put back into the queue if need be."""
        where, cursor = RunFilter(states=UNFINISHED, experiment_id=new.experiment_id), None
        while True:
            page = await self._store.runs(where, cursor=cursor, limit=200)
            for run in page.runs:
                same = (run.spec_hash, run.base, run.labels) == (new.spec_hash, new.base, new.labels)
                if same and run.state in TERMINAL:
                    return await self._store.retry(run.id)
                if same:
                    return await self._store.resume(run.id) if run.pause or run.state == "paused" else run
            cursor = page.cursor
            if cursor is None:
                return None

    async def result(self, run_id: str) -> RunResult | None:
        """What a run that has ended left in its folder."""
        return await asyncio.to_thread(self._runs.result, run_id)

    async def cancel(self, run_id: str, reason: str) -> QueuedRun:
        """Ask for the end of a run; one that only waits has ended when this returns."""
        run = await self._store.cancel(run_id, reason)
        self._feed.wake()
        return run

    async def stop(self, reason: str) -> None:
        """Hand back what is under way. The store stays open: it is the caller's. Idempotent."""
        if not self._stopped.is_set():
            await self._daemon.tell(StopDaemon(reason))
            await self._stopped.wait()
        await self._store.forget(self._record.id, self._record.boot_id)
