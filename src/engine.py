"""The composition root: an experiment goes in, a supervised run comes out.

``run`` is for scripts; ``Supervisor`` lives inside an async program and runs any number of experiments at
once, with no state shared between supervisors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import secrets
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from . import registry
from .actors.experiment import ExperimentSupervisor, RunPlan
from .actors.ports import ReplyCache
from .actors.run_spans import stage_span
from .actors.runtime import ActorRef, ActorSystem
from .composition import Prepared, Services, build_stages, prepare, report_stages, skipped_stages
from .messages.control import Artifact, Cancel, Progress, RunCompleted, RunEvent, RunResult, Start
from .messages.errors import InputError, OutputError, RunCancelledError, StageError
from .messages.experiment import Experiment
from .messages.experiment_file import encode_experiment
from .messages.flow import StageResult
from .messages.report import Picks, Provenance, RunReport
from .version import __version__

__all__ = ["RunHandle", "Supervisor", "run"]

# A library must not print: without this, Python writes what nobody listens to on stderr.
logging.getLogger(__package__).addHandler(logging.NullHandler())

EVENTS_KEPT = 1024
PACKAGES = (
    *("msgspec", "numpy", "scipy", "ripser", "gudhi", "httpx"),
    *("torch", "transformers", "peft", "tinker"),
)


class RunHandle:
    """A run under way: its events, its result, its end."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self.folder = folder
        self._events: deque[RunEvent] = deque()
        self._news = asyncio.Event()
        self._result: asyncio.Future[RunResult] = asyncio.get_running_loop().create_future()
        self._ref: ActorRef | None = None
        self.dropped_events = 0

    def attach(self, ref: ActorRef) -> None:
        """Say which actor runs it. For the supervisor."""
        self._ref = ref

    def publish(self, event: RunEvent) -> None:
        """Take an event in. Of more than 1,024 unread ones the progress events are dropped, and counted."""
        if isinstance(event, RunCompleted) and not self._result.done():
            self._result.set_result(event.result)
        if len(self._events) >= EVENTS_KEPT and isinstance(event, Progress):
            self.dropped_events += 1
            return
        self._events.append(event)
        self._news.set()

    async def events(self) -> AsyncIterator[RunEvent]:
        """Events from the first on, until ``RunCompleted``. For one reader."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, RunCompleted):
                    return
            if self._result.done() and not self._events:
                return
            self._news.clear()
            await self._news.wait()

    async def result(self) -> RunResult:
        """Wait for the end. A failed or cancelled run is a result too: look at ``status``."""
        return await asyncio.shield(self._result)

    async def cancel(self, reason: str = "cancelled") -> RunResult:
        """End the run; what finished stages wrote is kept."""
        if self._ref is not None and not self._result.done():
            await self._ref.tell(Cancel(reason=reason))
        return await self.result()


class Supervisor:
    """Runs experiments inside an async program.

        async with crucible.Supervisor() as supervisor:
            run = await supervisor.submit(experiment)
            async for event in run.events(): ...
            result = await run.result()

    Leaving the block cancels what still runs.
    """

    def __init__(self, *, out: str | os.PathLike[str] = "runs", cache: bool = True) -> None:
        """``cache`` false: no run looks into its cache or keeps anything there."""
        self._out = Path(out)
        self._cache = cache
        self._system = ActorSystem("crucible")
        self._runs: list[RunHandle] = []

    async def __aenter__(self) -> Self:
        await self._system.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._runs:
            with contextlib.suppress(BaseException):
                await handle.cancel("the supervisor was closed")
        await self._system.__aexit__(kind, error, trace)

    def tree(self) -> str:
        """The live actors, printable."""
        return self._system.tree()

    async def submit(
        self,
        experiment: Experiment,
        *,
        run_id: str | None = None,
        base: str | os.PathLike[str] | None = None,
        source: str | None = None,
    ) -> RunHandle:
        """Check everything, then start a run. Raises InputError before anything is spent.

        ``base`` is the folder that relative data paths count from; ``source`` names the experiment file in
        error messages.
        """
        prepared = prepare(experiment, base=Path(base) if base else None, source=source)
        prepared.use_cache = self._cache
        run_id = run_id or new_run_id(experiment.id)
        handle = RunHandle(run_id, self._out / run_id)
        plan = await _planned(prepared, handle)
        ref = self._system.spawn(
            lambda: ExperimentSupervisor(plan), name=run_id, mailbox_capacity=4096, restart="temporary"
        )
        handle.attach(ref)
        self._runs = [other for other in self._runs if not other._result.done()]
        self._runs.append(handle)
        await ref.tell(Start())
        return handle


def run(
    experiment: Experiment,
    *,
    out: str | os.PathLike[str] = "runs",
    base: str | os.PathLike[str] | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    check: bool = True,
) -> RunResult:
    """Run an experiment and wait for its result.

    Raises InputError for input that cannot be used. Input that a stage refuses raises InputError too, and a
    stage that fails StageError, unless ``check`` is false; then the result says so. Inside a running event
    loop use ``Supervisor``.
    """
    return asyncio.run(_run(experiment, out=out, base=base, on_event=on_event, check=check))


async def _run(
    experiment: Experiment,
    *,
    out: str | os.PathLike[str],
    base: str | os.PathLike[str] | None,
    on_event: Callable[[RunEvent], None] | None,
    check: bool,
) -> RunResult:
    async with Supervisor(out=out) as supervisor:
        handle = await supervisor.submit(experiment, base=base)
        async for event in handle.events():
            if on_event is not None:
                on_event(event)
        result = await handle.result()
    if check:
        raise_unless_completed(result)
    return result


def raise_unless_completed(result: RunResult) -> None:
    """Raise InputError, StageError or RunCancelledError, as the run ended."""
    failure = result.failure or ""
    if result.status == "cancelled":
        raise RunCancelledError(failure)
    if result.status == "failed":
        stage, _, reason = failure.partition(": ")
        raise InputError(failure) if result.failure_kind == "input" else StageError(stage, reason)


def new_run_id(experiment_id: str) -> str:
    """``<experiment>-<UTC date>-<time>-<4 hex digits>``."""
    return f"{experiment_id}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make_run_folder(folder: Path) -> None:
    """A new folder for the run; OutputError when that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=False)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except FileExistsError as error:
        taken = "exists already" if folder.is_dir() else f"cannot be made: {error.strerror}"
        raise OutputError(f"{folder}: the run folder {taken}") from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot write the run folder: {error.strerror}") from None


def make_plan(prepared: Prepared, handle: RunHandle) -> RunPlan:
    """Make the folder, open the data set, wire a run up. Blocking; an error leaves no folder behind."""
    make_run_folder(handle.folder)
    with contextlib.ExitStack() as opened:
        opened.callback(shutil.rmtree, handle.folder, ignore_errors=True)
        plan = _make_plan(prepared, handle, opened)
        opened.pop_all()
    return plan


async def _planned(prepared: Prepared, handle: RunHandle) -> RunPlan:
    """``make_plan`` in a thread. One that is cancelled leaves neither an open file nor a folder behind."""
    planning = asyncio.ensure_future(asyncio.to_thread(make_plan, prepared, handle))

    def discard(planned: asyncio.Future[RunPlan]) -> None:
        if not planned.cancelled() and planned.exception() is None:
            plan = planned.result()
            for close in (plan.close, *(exporter.close for exporter in plan.exporters)):
                close()
            shutil.rmtree(handle.folder, ignore_errors=True)

    try:
        return await asyncio.shield(planning)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            handle.folder.rmdir()
        planning.add_done_callback(discard)
        raise


def open_dataset(prepared: Prepared) -> Any:
    """The data set of a prepared experiment, scanned; DatasetError when a row cannot be used."""
    experiment = prepared.experiment
    if experiment.dataset is None:
        raise ValueError("a prepared experiment has a data set")
    loader = registry.load("dataset provider", experiment.dataset.provider)()
    return loader.open(experiment.dataset, prepared.dataset_options, seed=experiment.seed, base=prepared.base)


def open_cache(prepared: Prepared) -> ReplyCache | None:
    """The cache of replies, if the experiment names one and asks anything. May raise OutputError."""
    folder = prepared.experiment.reliability.cache.folder
    if (
        folder is None
        or not prepared.use_cache
        or not any(stage.name == "backend_call" for stage in prepared.enabled())
    ):
        return None
    from .adapters.caches import ReplyFolder

    return ReplyFolder(prepared.base / Path(folder).expanduser())


def _make_plan(prepared: Prepared, handle: RunHandle, opened: contextlib.ExitStack) -> RunPlan:
    from .adapters.reports import FileReportSink
    from .adapters.reports.quarantine import QuarantineFile
    from .adapters.tracing import TraceFiles

    experiment = prepared.experiment
    dataset = opened.enter_context(contextlib.closing(open_dataset(prepared)))
    sink = FileReportSink(handle.folder, experiment.outputs)
    opened.callback(sink.abandon)
    cache = open_cache(prepared)
    if cache is not None:
        opened.callback(cache.close)
    started = datetime.now(UTC)
    provenance = make_provenance(experiment, prepared.base)

    def compose(results: Sequence[StageResult], picks: Picks) -> RunReport:
        stages = report_stages(experiment, results)
        timed = ((n, r) for n, r in enumerate(stages, 2) if r.status == "completed" and r.seconds)
        spans = [stage_span(result, number) for number, result in timed]
        return RunReport(
            run_id=handle.run_id,
            status="completed",
            experiment=experiment,
            started_at=started.isoformat(timespec="seconds"),
            seconds=max((span.end_s for span in spans), default=0.0),
            provenance=provenance,
            stages=stages,
            dataset=dataset.facts,
            spans=tuple(spans),
            excerpts=picks.excerpts,
            slowest=picks.slowest,
            disagreements=picks.disagreements,
        )

    def close() -> None:
        dataset.close()
        sink.abandon()
        if cache is not None:
            cache.close()

    quarantine = QuarantineFile(handle.folder)
    quarantine.add_bad_rows(dataset.bad_rows)
    services = Services(
        prepared=prepared,
        dataset=dataset,
        workdir=handle.folder,
        sink=sink,
        compose_report=compose,
        cache=cache,
        quarantine=quarantine.add,
    )
    return RunPlan(
        run_id=handle.run_id,
        experiment=experiment,
        stages=build_stages(services),
        skipped=skipped_stages(experiment),
        exporters=(TraceFiles(handle.folder),),
        started_at=started.isoformat(timespec="seconds"),
        provenance=provenance,
        base=str(prepared.base.resolve()),
        publish=handle.publish,
        close=close,
        artifacts=lambda: list_artifacts(handle.folder),
        save=lambda result: write_result(handle.folder, result),
    )


def make_provenance(experiment: Experiment, base: Path) -> Provenance:
    """Versions, seed and commit of a run."""
    from importlib import metadata

    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return Provenance(
        seed=experiment.seed,
        crucible=__version__,
        python=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}",
        packages=packages,
        git_commit=git_commit(base),
        experiment_sha256=sha256(encode_experiment(experiment)).hexdigest(),
    )


def git_commit(folder: Path) -> str | None:
    """The commit checked out around ``folder``, None outside a repository. Reads files, runs nothing."""
    for parent in (folder.resolve(), *folder.resolve().parents):
        head = parent / ".git" / "HEAD"
        if not head.is_file():
            continue
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = head.read_text().strip()
            if not text.startswith("ref: "):
                return text
            ref = text.removeprefix("ref: ")
            loose = parent / ".git" / ref
            if loose.is_file():
                return loose.read_text().strip()
            packed = (parent / ".git" / "packed-refs").read_text().splitlines()
            return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), None)
        return None
    return None


MEDIA_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".html": "text/html",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".tex": "application/x-tex",
    ".mmd": "text/vnd.mermaid",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
}


def list_artifacts(folder: Path) -> list[Artifact]:
    """Every finished file below the run folder; names that begin with a dot are unfinished."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            media = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
            size = path.stat().st_size
            found.append(Artifact(name=name.as_posix(), path=str(path), media_type=media, bytes=size))
    return found


def write_result(folder: Path, result: RunResult) -> None:
    """Leave ``run.json``: status, failure, stage results and artefacts, whatever the outcome."""
    target = folder / "run.json"
    waiting = folder / ".run.json"
    try:
        waiting.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
        waiting.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror}") from None
