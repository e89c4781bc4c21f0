"""The folders of durable runs: ``<runs>/<run id>``, used again by every attempt of the run.

``RunFolders.plan`` is the ``RunFactory`` of a daemon. What an attempt leaves that the next one can use stays:

- ``.replies``: every reply that was paid for, synced before it counts. A request that is there is not sent.
- ``checkpoints``: the training's states and its record. Training goes on from the last one.
- ``.answered``: what ``backend_call`` handed on, once it has ended. The next attempt begins after it.
- ``run.json`` of a run that got to its end, if the store has not heard of it: then nothing is run again.

All else (trace, samples so far) is written anew. ``.inputs.json`` holds the input hash of each stage; when
that of ``backend_call`` has changed (other data, another program), checkpoints and answers are not used.
Replies are found by all that they depend on, so they may stay. What a run that is completed does not need any
more is deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from .actors.daemon.jobs import PlannedRun, RunJob
from .actors.daemon.stage_hashes import stage_hashes
from .actors.durability import Durability
from .actors.experiment import RunPlan
from .actors.kept_stream import RESULTS, SAMPLES, KeptStream, StreamWriter
from .actors.synced import make_folder
from .composition import prepare
from .messages.control import RunResult
from .messages.errors import OutputError
from .messages.experiment_file import decode_experiment_json
from .planning import open_dataset, wire
from .version import __version__

__all__ = ["RunFolders"]

T = TypeVar("T")

REPLIES, INPUTS, CHECKPOINTS, RESULT = ".replies", ".inputs.json", "checkpoints", "run.json"
ANSWERED, QUARANTINE = (RESULTS, SAMPLES), "quarantine.jsonl"


class RunFolders:
    """Below one folder."""

    def __init__(self, folder: Path, *, use_cache: bool = True) -> None:
        """``use_cache`` false: the caches that experiments name are not used; the runs' own replies are."""
        self._folder = folder
        self._use_cache = use_cache

    def of(self, run_id: str) -> Path:
        """The folder of a run. Ids come from the store, which got them from us."""
        if "/" in run_id or run_id.startswith("."):
            raise ValueError(f"not a run id: {run_id!r}")
        return self._folder / run_id

    def delete(self, run_id: str) -> None:
        """Of a run that was forgotten. Blocking."""
        shutil.rmtree(self.of(run_id), ignore_errors=True)

    def result(self, run_id: str) -> RunResult | None:
        """What the last attempt left, if it left anything. Blocking."""
        return _read(self.of(run_id) / RESULT, RunResult)

    async def plan(self, job: RunJob) -> PlannedRun:
        """Open everything, in a thread. Cancelled, it leaves nothing open."""
        planning = asyncio.ensure_future(asyncio.to_thread(self._plan, job))

        def discard(planned: asyncio.Future[PlannedRun]) -> None:
            if not planned.cancelled() and planned.exception() is None:
                _close(planned.result().plan)

        try:
            return await asyncio.shield(planning)
        except asyncio.CancelledError:
            planning.add_done_callback(discard)
            raise

    def _plan(self, job: RunJob) -> PlannedRun:
        from .adapters.caches import ReplyFolder

        experiment = decode_experiment_json(job.spec)
        prepared = prepare(experiment, base=Path(job.run.base))
        prepared.use_cache = self._use_cache
        folder = self.of(job.run.id)
        with contextlib.ExitStack() as opened:
            dataset = opened.enter_context(contextlib.closing(open_dataset(prepared)))
            hashes = stage_hashes(experiment, data_sha256=dataset.facts.sha256, version=__version__)
            finished = _finished(folder, hashes)
            if finished is not None:
                return PlannedRun(plan=None, hashes=hashes, finished=finished)
            _begin_again(folder, hashes)
            journal = ReplyFolder(folder / REPLIES)
            opened.callback(journal.close)
            durable = Durability(
                journal=journal,
                effects=job.effects,
                safe_point=job.safe_point,
                current=job.current,
                stream=StreamWriter(folder),
                done=KeptStream.of(folder),
            )
            plan = wire(prepared, job.run.id, folder, dataset, job.publish, opened, durable)
            opened.pop_all()
        return PlannedRun(plan=_while_current(plan, folder, job.current), hashes=hashes)


def _while_current(plan: RunPlan, folder: Path, current: Callable[[], bool]) -> RunPlan:
    """An attempt whose lease is lost leaves no result in a folder that is another's by now."""

    def save(result: RunResult) -> None:
        if current():
            plan.save(result)
            if result.status == "completed":
                shutil.rmtree(folder / REPLIES, ignore_errors=True)
                for name in ANSWERED:
                    (folder / name).unlink(missing_ok=True)

    return dataclasses.replace(plan, save=save)


def _close(plan: RunPlan | None) -> None:
    if plan is not None:
        for close in (plan.close, *(exporter.close for exporter in plan.exporters)):
            close()


def _finished(folder: Path, hashes: Mapping[str, str]) -> RunResult | None:
    """The result of an attempt that completed on the same inputs."""
    if _read(folder / INPUTS, dict[str, str]) != hashes:
        return None
    result = _read(folder / RESULT, RunResult)
    return result if result is not None and result.status == "completed" else None


def _begin_again(folder: Path, hashes: Mapping[str, str]) -> None:
    """The folder with what the next attempt can use; OutputError when that is impossible."""
    from .adapters.reports.files import write_whole

    before = _read(folder / INPUTS, dict[str, str]) or {}
    kept = {REPLIES}
    if before.get("backend_call") == hashes.get("backend_call"):
        kept.add(CHECKPOINTS)
        if KeptStream.of(folder) is not None:
            kept |= {*ANSWERED, QUARANTINE}
    try:
        make_folder(folder)
        for path in folder.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        write_whole(folder / INPUTS, msgspec.json.encode(hashes))
    except OSError as error:
        raise OutputError(f"{folder}: cannot write the run folder: {error.strerror}") from error


def _read(path: Path, type_: type[T]) -> T | None:
    """A JSON file that is only ever there whole; None when it is not there or was not written by us."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (OSError, msgspec.MsgspecError):
        return None
