"""From a prepared experiment to the plan of a run: its folder, data set, files and wired stages.

Called by the engine for a run of its own and by ``durable`` for a run of the queue, whose folder outlives
attempts. Starts nothing.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from . import registry
from .actors.durability import Durability
from .actors.experiment import RunPlan, StagePlan
from .actors.kept_stream import KeptStream, StreamSource
from .actors.ports import Dataset, ReplyCache
from .actors.run_spans import stage_span
from .composition import Prepared, Services, build_stages, report_stages, skipped_stages
from .fitting import unfit_backends
from .messages.control import Artifact, RunEvent, RunResult
from .messages.errors import ExperimentError, OutputError
from .messages.experiment import Experiment
from .messages.experiment_file import encode_experiment
from .messages.flow import StageResult
from .messages.report import Picks, Provenance, RunReport
from .version import __version__

__all__ = [
    "PACKAGES",
    "list_artifacts",
    "make_plan",
    "make_provenance",
    "make_run_folder",
    "open_cache",
    "open_dataset",
    "wire",
    "write_result",
]

PACKAGES = (
    *("msgspec", "numpy", "scipy", "ripser", "gudhi", "httpx"),
    *("torch", "transformers", "peft", "tinker"),
)


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


def make_plan(prepared: Prepared, run_id: str, folder: Path, publish: Callable[[RunEvent], None]) -> RunPlan:
    """Make the folder, open the data set, wire a run up. Blocking; an error leaves no folder behind."""
    make_run_folder(folder)
    with contextlib.ExitStack() as opened:
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        dataset = opened.enter_context(contextlib.closing(open_dataset(prepared)))
        plan = wire(prepared, run_id, folder, dataset, publish, opened)
        opened.pop_all()
    return plan


def open_dataset(prepared: Prepared) -> Any:
    """The data set of a prepared experiment, scanned; DatasetError when a row cannot be used.

    ExperimentError when a backend can do with none of the prompts that it gets.
    """
    experiment = prepared.experiment
    if experiment.dataset is None:
        raise ValueError("a prepared experiment has a data set")
    loader = registry.load("dataset provider", experiment.dataset.provider)()
    base = prepared.base
    dataset = loader.open(experiment.dataset, prepared.dataset_options, seed=experiment.seed, base=base)
    try:
        if problems := unfit_backends(prepared, dataset):
            raise ExperimentError(problems)
    except BaseException:
        dataset.close()
        raise
    return dataset


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


def wire(
    prepared: Prepared,
    run_id: str,
    folder: Path,
    dataset: Dataset,
    publish: Callable[[RunEvent], None],
    opened: contextlib.ExitStack,
    durable: Durability | None = None,
) -> RunPlan:
    """The plan of a run in a folder that is there; what it opens, ``opened`` closes if a later step fails."""
    from .adapters.reports import FileReportSink
    from .adapters.reports.quarantine import QuarantineFile
    from .adapters.tracing import TraceFiles

    experiment = prepared.experiment
    sink = FileReportSink(folder, experiment.outputs)
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
        failed = next((result for result in stages if result.status == "failed"), None)
        return RunReport(
            run_id=run_id,
            status="completed" if failed is None else "failed",
            failure=None if failed is None else f"{failed.stage}: {failed.reason}",
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
        if durable is not None:
            durable.stream.close()
            durable.journal.close()

    quarantine = QuarantineFile(folder)
    kept = None if durable is None else durable.done
    if kept is None:
        quarantine.add_bad_rows(dataset.bad_rows)
    services = Services(
        prepared=prepared,
        dataset=dataset,
        workdir=folder,
        sink=sink,
        compose_report=compose,
        cache=cache,
        quarantine=quarantine.add,
        durable=durable,
    )
    stages = build_stages(services)
    return RunPlan(
        run_id=run_id,
        experiment=experiment,
        stages=stages if kept is None else _after(kept, stages),
        done=() if kept is None else kept.results[:-1],
        skipped=skipped_stages(experiment),
        exporters=(TraceFiles(folder),),
        started_at=started.isoformat(timespec="seconds"),
        provenance=provenance,
        base=str(prepared.base.resolve()),
        publish=publish,
        close=close,
        artifacts=lambda: list_artifacts(folder),
        save=lambda result: write_result(folder, result),
    )


def _after(kept: KeptStream, stages: Sequence[StagePlan]) -> tuple[StagePlan, ...]:
    """The stages after those that are done; their samples are the source, in the place of the last one."""
    name = kept.results[-1].stage
    at = [stage.name for stage in stages].index(name)
    source = StagePlan(name=name, build=lambda wiring, tally: StreamSource(wiring, kept, tally))
    return (source, *stages[at + 1 :])


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
    from .adapters.reports.files import write_whole

    write_whole(folder / "run.json", msgspec.json.format(msgspec.json.encode(result), indent=2))
