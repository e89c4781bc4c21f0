"""The section on groups: their rates, and the widest gaps between them."""

from __future__ import annotations

from ...messages.fairness import FairnessResult, GroupGap
from ...messages.report import RunReport
from .document import Cell, Section, Table
from .inputs import stage_named
from .numbers import count, figure, interval_text, percent

__all__ = ["fairness_section"]

TONES = {"exceeds": "worse", "within": "better", "undecided": "undecided"}


def fairness_section(report: RunReport) -> Section | None:
    """Gaps first, then the rates behind them."""
    stage = stage_named(report, "fairness")
    if stage is None or not stage.fairness:
        return None
    told = stage.metrics
    label = f"label: {told['label']}" if told.get("label") else "without a label"
    lead = (
        f"Groups by {told.get('group_by')}. Positive outcome: {told.get('outcome')}; {label}."
        f" A difference up to {figure(told.get('threshold'))} is tolerated; groups with fewer than"
        f" {told.get('min_per_group')} rows for a rate are shown and not compared."
    )
    missing = told.get("rows_without_group")
    if missing:
        lead += f" {count(missing)} rows have no group."
    level = percent(report.experiment.reliability.stats.confidence_level)
    reasons = [
        f"{result.system}, {gap.criterion} {gap.measure}: {gap.reason}."
        for result in stage.fairness
        for gap in result.gaps
        if gap.reason
    ]
    return Section(
        key="fairness",
        title="Fairness",
        lead=lead,
        tables=(_gap_table(stage.fairness, level), _rate_table(stage.fairness, level)),
        points=tuple(reasons),
        points_title="Why some have no value or no interval",
    )


def _gap_table(results: tuple[FairnessResult, ...], level: str) -> Table:
    rows = tuple(
        (
            Cell(gap.criterion),
            Cell(result.system),
            Cell(gap.measure),
            Cell(figure(gap.value), detail=interval_text(gap.interval)),
            Cell("" if gap.lowest is None else f"{gap.lowest} / {gap.highest}"),
            Cell(count(gap.n)),
            _verdict(gap),
            Cell(gap.interval.method if gap.interval else f"none: {gap.reason}" if gap.reason else "none"),
        )
        for result in results
        for gap in result.gaps
    )
    heads = ("criterion", "system", "gap", "value", "lowest / highest", "n", "verdict", "interval by")
    return Table(
        caption=f"Widest gap between two groups with {level} interval",
        heads=heads,
        rows=rows,
        numeric=frozenset({3, 5}),
        note="Exceeds: the whole interval of a difference lies above what is tolerated; within: none of it.",
    )


def _verdict(gap: GroupGap) -> Cell:
    if gap.measure == "ratio" or gap.value is None:
        return Cell("")
    return Cell(gap.verdict, tone=TONES[gap.verdict])


def _rate_table(results: tuple[FairnessResult, ...], level: str) -> Table:
    rows = tuple(
        (
            Cell(rate.rate),
            Cell(result.system),
            Cell(rate.group),
            Cell(figure(rate.value), detail=interval_text(rate.interval)),
            Cell(count(rate.n)),
            Cell(rate.interval.method if rate.interval else "none"),
            Cell(rate.reason or ""),
        )
        for result in results
        for rate in result.rates
    )
    return Table(
        caption=f"Rates of the groups with {level} interval",
        heads=("rate", "system", "group", "value", "n", "interval by", "note"),
        rows=rows,
        numeric=frozenset({3, 4}),
    )
