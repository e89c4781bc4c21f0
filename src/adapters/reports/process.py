"""The sections on how the run went: training, stages, other figures, provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from ...messages.flow import LossPoint, StageResult
from ...messages.report import RunReport
from .document import Cell, Quote, QuotedText, Section, Table
from .numbers import NONE, count, duration, figure
from .stage_figures import figure_table
from .text import clip
from .topology import TOPOLOGY_STAGES

__all__ = ["provenance_section", "stage_section", "training_section"]

SHOWN_ELSEWHERE = frozenset(
    {
        "dialectic",
        "data_checks",
        "guardrails",
        "analysis_metrics",
        *TOPOLOGY_STAGES,
    }
)
MAX_REASON = 400
LOSSES = (
    "Means over n tokens or labels, whichever the model learns, each counted once a pass. They have no"
    " interval, since the losses of single rows are not kept: compare models by their scores."
)
AS_IT_WAS = "Counts, times and settings of this run as they were: exact, so without an interval."
MAX_CHECKPOINTS = 3


def losses(report: RunReport) -> list[LossPoint]:
    """All points of the loss curve."""
    return [point for stage in report.stages for point in stage.losses]


def training_section(report: RunReport) -> Section | None:
    """Loss per epoch and the checkpoints."""
    points = losses(report)
    checkpoints = [ref for stage in report.stages for ref in stage.checkpoints]
    if not points and not checkpoints:
        return None
    tables = []
    if points:
        tables.append(_loss_table(points))
        tables.extend(_term_tables(points))
    if checkpoints:
        rows = tuple(
            (
                Cell(ref.name),
                Cell(count(ref.epoch)),
                Cell(count(ref.step)),
                Cell(figure(ref.loss)),
                Cell(clip(ref.uri, MAX_REASON)),
            )
            for ref in checkpoints
        )
        heads = ("checkpoint", "epoch", "step", "held-out loss", "where")
        folded = len(rows) > MAX_CHECKPOINTS
        tables.append(Table("Checkpoints", heads, rows, frozenset({1, 2, 3}), folded=folded))
    return Section(
        key="training",
        title="Training",
        lead=_loss_lead(points),
        tables=tuple(tables),
        figures=("losses",) if points else (),
    )


def _loss_lead(points: Sequence[LossPoint]) -> str:
    held_out = [point for point in points if point.split == "validation"]
    if not held_out:
        return "There was no held-out loss: the training loss alone does not show that the model generalises."
    best = min(held_out, key=lambda point: point.loss)
    last = f", {figure(held_out[-1].loss)} at the end" if held_out[-1] is not best else ""
    return f"The held-out loss was lowest at epoch {best.epoch:g}, {figure(best.loss)}{last}."


def _epoch(point: LossPoint) -> int:
    """The epoch that a point belongs to; 0 is before training."""
    epoch = math.ceil(point.epoch - 1e-9)
    return max(1, epoch) if point.split == "train" else max(0, epoch)


def _loss_table(points: Sequence[LossPoint]) -> Table:
    """Mean training loss of the steps of an epoch, beside the last held-out loss of that epoch."""
    rows = []
    for epoch in sorted({_epoch(point) for point in points}):
        here = [point for point in points if _epoch(point) == epoch]
        train = [point for point in here if point.split == "train"]
        held_out = [point for point in here if point.split == "validation"]
        rows.append(
            (
                Cell(count(epoch)),
                Cell(count(max(point.step for point in here))),
                Cell(figure(_mean_loss(train)) if train else NONE),
                Cell(figure(held_out[-1].loss) if held_out else NONE),
                Cell(_units(train)),
                Cell(_units(held_out[-1:])),
            )
        )
    heads = ("epoch", "last step", "training loss, mean", "held-out loss", "n, training", "n, held out")
    return Table("Loss by epoch", heads, tuple(rows), frozenset(range(6)), note=LOSSES)


def _units(points: Sequence[LossPoint]) -> str:
    """What a loss is a mean over: tokens, labels or rows."""
    total = math.fsum(point.weight for point in points)
    return figure(total) if total != int(total) else count(int(total)) if points else NONE


def _term_tables(points: Sequence[LossPoint]) -> list[Table]:
    """Means over the steps of each epoch, where the loss has several terms."""
    rows = []
    for epoch in sorted({_epoch(point) for point in points if point.terms}):
        here = [point.terms for point in points if point.terms and _epoch(point) == epoch]
        for name in dict.fromkeys(term.name for terms in here for term in terms):
            found = [term for terms in here for term in terms if term.name == name]
            rows.append(
                (
                    Cell(count(epoch)),
                    Cell(name),
                    Cell(figure(found[-1].weight)),
                    Cell(figure(math.fsum(term.value for term in found) / len(found))),
                    Cell(figure(math.fsum(term.gradient_norm for term in found) / len(found))),
                )
            )
    heads = ("epoch", "term", "weight", "value a token", "gradient norm, weighted")
    return [Table("Terms of the training loss", heads, tuple(rows), frozenset({0, 2, 3, 4}))] if rows else []


def _mean_loss(points: Sequence[LossPoint]) -> float:
    return math.fsum(p.loss * p.weight for p in points) / math.fsum(p.weight for p in points)


def stage_section(report: RunReport) -> Section:
    """How long each stage took and how much of that it worked."""
    rows = tuple(
        (
            Cell(stage.stage),
            Cell(stage.status, tone=stage.status),
            Cell(count(stage.received)),
            Cell(count(stage.emitted)),
            Cell(duration(stage.seconds) if stage.seconds else NONE),
            Cell(duration(stage.busy_seconds) if stage.seconds else NONE),
            Cell(clip(stage.reason or "", MAX_REASON)),
        )
        for stage in report.stages
    )
    heads = ("stage", "status", "received", "emitted", "open for", "busy", "note")
    table = Table("Stages", heads, rows, frozenset({2, 3, 4, 5}))
    others = tuple(
        _folded(stage) for stage in report.stages if stage.metrics and stage.stage not in SHOWN_ELSEWHERE
    )
    return Section(
        key="stages",
        title="Stages",
        lead=f"The run had taken {duration(report.seconds)} when this report was written. "
        "Stages work at the same time; their times overlap.",
        tables=(table, *others),
        figures=("timeline",) if report.spans else (),
    )


def _folded(stage: StageResult) -> Table:
    shown = {
        name: value
        for name, value in stage.metrics.items()
        if name not in ("ensemble", "hedging", "dialectic")
    }
    table = figure_table(f"Figures of {stage.stage}", shown)
    return replace(table, folded=True, note=f"{AS_IT_WAS} {table.note}".rstrip())


def provenance_section(report: RunReport) -> Section:
    """What is needed to run the same again."""
    origin = report.provenance
    facts = [
        ("run", report.run_id),
        ("seed", str(origin.seed)),
        ("crucible", origin.crucible),
        ("python", origin.python),
        ("platform", origin.platform),
        ("git commit", origin.git_commit or NONE),
        ("experiment sha256", origin.experiment_sha256),
        ("data set sha256", report.dataset.sha256 if report.dataset else NONE),
    ]
    rows = tuple((Cell(name), Cell(clip(value, MAX_REASON))) for name, value in facts)
    packages = tuple((Cell(name), Cell(version)) for name, version in sorted(origin.packages.items()))
    experiment = msgspec.json.format(msgspec.json.encode(report.experiment), indent=2).decode()
    quote = Quote("Experiment", "as it ran", (QuotedText("experiment", clip(experiment, 40_000), "json"),))
    return Section(
        key="provenance",
        title="Provenance",
        lead="What is needed to run the same again.",
        tables=(
            Table("Origin", ("fact", "value"), rows),
            *([Table("Packages", ("package", "version"), packages, folded=True)] if packages else []),
        ),
        quotes=(quote,),
    )
