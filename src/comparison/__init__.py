"""Runs against each other, after the fact: the first one is the model, the others are its baselines.

Called by ``crucible compare``. The samples of the runs are joined by id and go once more through the bench
and report stages, with the scores that the runs gave them: nothing is scored anew, and the result is a report
like that of a run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from .. import registry
from ..actors.stages.analysis_metrics import MetricsAnalysis
from ..actors.stages.bench import Bench, BenchOptions
from ..actors.stages.report import Report
from ..actors.stages.report_picks import DisagreementPicker, ExcerptPicker, ReportOptions, SlowestPicker
from ..adapters.reports import FileReportSink
from ..adapters.statistics import PairedStatistics
from ..engine import new_run_id
from ..messages.errors import CrucibleError, InputError
from ..messages.experiment import BackendRef, Experiment, OutputSpec, StageDef, StatsConfig
from ..messages.findings import OutputScores
from ..messages.flow import Sample, StageResult
from ..messages.records import Output
from ..messages.report import Picks, RunReport
from ..planning import make_provenance, make_run_folder
from ..stage_types import PREFERRED
from .joined import Joined
from .options import ComparedSystem, Comparing, RunComparison
from .parts import Part, cautions_of, names_of, open_part

__all__ = ["ComparedSystem", "Comparing", "RunComparison", "compare"]

BATCH = 64


async def compare(
    names: Sequence[str], options: Comparing, *, out: Path, runs: Path = Path("runs")
) -> RunComparison:
    """Compare runs, each ``[NAME=]RUN[:SYSTEM]``; the report goes into a new folder in ``out``.

    Raises InputError for what cannot be compared.
    """
    if len(names) < 2:
        raise InputError("compare: expected two or more runs")
    with contextlib.ExitStack() as opened:
        parts = [await asyncio.to_thread(open_part, name, runs, opened) for name in names]
        called = names_of(parts)
        joined = await asyncio.to_thread(Joined, parts, called, options)
        experiment = _experiment(parts, called, options)
        directions, unbounded, unknown = _scales(parts[0].run.result.experiment)
        systems = _systems(parts, called)
        notes = [*unknown, *joined.notes]
        warned = [
            f"{name}: {text}" for part, name in zip(parts, called, strict=True) for text in cautions_of(part)
        ]
        run_id = new_run_id("comparison")
        folder = out / run_id
        compose = partial(_report, run_id, experiment, datetime.now(UTC))
        await asyncio.to_thread(make_run_folder, folder)
        sink = FileReportSink(folder, experiment.outputs)
        try:
            stats = experiment.reliability.stats
            means = MetricsAnalysis(_Recorded(unbounded), PairedStatistics(), stats, seed=experiment.seed)
            bench = Bench(
                PairedStatistics(),
                stats,
                BenchOptions(metrics=options.metrics, include_raced=options.include_raced),
                model=called[0],
                baselines=called[1:],
                seed=experiment.seed,
                directions=directions,
                unbounded=unbounded,
            )
            excerpts = ExcerptPicker(ReportOptions(), called[0], (*options.metrics, *PREFERRED), directions)
            # How requests went is told by the reports of the runs.
            report = Report(sink, (excerpts, SlowestPicker(0), DisagreementPicker(0)), compose)
            for start in range(0, len(joined.ids), BATCH):
                samples = await asyncio.to_thread(joined.samples, start, BATCH)
                await report.process(await bench.process(await means.process(samples)))
            told = StageResult(
                stage="compare",
                status="completed",
                metrics={
                    "systems": {each.name: msgspec.to_builtins(each) for each in systems},
                    "cautions": [*warned, *notes],
                },
            )
            scored = msgspec.structs.replace(await means.finish(()), metrics={})
            compared = await bench.finish(())
            await report.finish((told, scored, compared))
        finally:
            sink.abandon()
    return RunComparison(
        folder=str(folder),
        systems=systems,
        examples=len(joined.ids),
        stages=(scored, compared),
        notes=(*warned, *notes),
    )


class _Recorded:
    """The scores that the runs gave. Implements ``actors.ports.MetricsAdapter``."""

    Options: ClassVar[type[msgspec.Struct]] = Comparing
    directions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, unbounded: frozenset[str]) -> None:
        self.unbounded = unbounded

    def score(self, sample: Sample, output: Output) -> OutputScores | None:
        """As they stand in the sample."""
        return next((scores for scores in sample.scores if scores.system == output.system), None)

    def summarize(self, columns: Any) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Nothing: derived figures belong to a run."""
        return {}


def _scales(experiment: Experiment) -> tuple[Mapping[str, str], frozenset[str], list[str]]:
    """Which side of each metric is better, which may lie outside [0, 1], and what is not known of that."""
    name = experiment.analysis_adapter
    for stage in experiment.pipeline:
        if stage.name == "analysis_metrics":
            name = stage.options.get("adapter") or name
    try:
        adapter = registry.load("metrics adapter", name)
    except CrucibleError as error:
        return {}, frozenset(), [f"higher is taken for better in every metric: {error}"]
    return adapter.directions, adapter.unbounded, []


def _systems(parts: Sequence[Part], names: Sequence[str]) -> tuple[ComparedSystem, ...]:
    return tuple(
        ComparedSystem(
            name=name,
            run_id=part.run.result.run_id,
            system=part.system,
            folder=str(part.run.folder),
            seed=part.run.result.experiment.seed,
            started_at=part.run.result.started_at,
            examples=len(part.run.ids),
        )
        for part, name in zip(parts, names, strict=True)
    )


def _experiment(parts: Sequence[Part], names: Sequence[str], options: Comparing) -> Experiment:
    """What the report is written about: the first system against the others."""
    first = parts[0].run.result.experiment
    refs = [
        BackendRef(id=part.backend.id, name=name, options=part.backend.options)
        for part, name in zip(parts, names, strict=True)
    ]
    return Experiment(
        id="comparison",
        backend=refs[0],
        baselines=tuple(refs[1:]),
        pipeline=(StageDef(name="analysis_metrics"), StageDef(name="bench"), StageDef(name="report")),
        seed=first.seed,
        dataset=first.dataset,
        reliability=msgspec.structs.replace(first.reliability, stats=_stats(first, options)),
        outputs=(OutputSpec(formats=options.formats),),
    )


def _stats(experiment: Experiment, options: Comparing) -> StatsConfig:
    given = {"alpha": options.alpha, "correction": options.correction}
    known = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(experiment.reliability.stats, **known)


def _report(
    run_id: str,
    experiment: Experiment,
    started: datetime,
    stages: Sequence[StageResult],
    picks: Picks,
) -> RunReport:
    return RunReport(
        run_id=run_id,
        status="completed",
        experiment=experiment,
        started_at=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started).total_seconds(),
        provenance=make_provenance(experiment, Path.cwd()),
        stages=tuple(stages),
        excerpts=picks.excerpts,
    )
