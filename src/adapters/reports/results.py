"""The sections on scores, comparisons and distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, Metric
from ...messages.report import RunReport
from .document import Cell, Section, Table
from .glossary import named
from .letters import lettered
from .means import interval_method, mean_table, value_cell
from .numbers import NONE, count, figure, grouped, interval_text, p_value, percent
from .outcomes import deciding_test, outcome, pairs_in_words, pairs_short
from .overview import all_comparisons, all_figures, compared_first, metric_label, systems
from .rankings import ranking_table
from .stage_figures import system_table
from .watched import watched_table

__all__ = ["comparison_section", "distribution_section", "result_section"]

DERIVED = (
    "Counts are exact. The means that targets are held against stand above, with their intervals; a target is"
    " met or not by the mean itself."
)


def result_section(report: RunReport) -> Section | None:
    """Every metric of every system, with interval, n and method."""
    figures = all_figures(report)
    scored = [metric for metric in figures if metric.system]
    tables = []
    if scored:
        order = compared_first(report, (metric.name for metric in scored))
        level = percent(report.experiment.reliability.stats.confidence_level)
        tables.append(mean_table(f"Mean with {level} interval", scored, systems(report), order))
    plain = [metric for metric in figures if not metric.system]
    if plain:
        tables.append(_plain_table(plain))
    derived = next((stage.metrics for stage in report.stages if stage.stage == "analysis_metrics"), None)
    if derived:
        table = system_table("Derived figures", _without_means(derived, scored), systems(report))
        tables.append(replace(table, folded=True, note=f"{DERIVED} {table.note}".rstrip()))
    if not tables:
        return None
    return Section(
        key="results",
        title="Scores",
        lead="Means over the examples on which a score is defined, with confidence intervals.",
        tables=tuple(tables),
        figures=("intervals",) if scored else (),
    )


def _without_means(derived: Mapping[str, Any], scored: Sequence[Metric]) -> dict[str, Any]:
    """What the table of means does not hold already."""
    known = {metric.name for metric in scored}
    return {
        system: {name: value for name, value in figures.items() if name not in known}
        if isinstance(figures, Mapping)
        else figures
        for system, figures in derived.items()
    }


def _plain_table(figures: Sequence[Metric]) -> Table:
    rows = tuple(
        (named(m.name), value_cell(m), Cell(count(m.n)), Cell(m.method), Cell(interval_method(m)))
        for m in figures
    )
    heads = ("figure", "value", "n", "method", "interval by")
    table = Table(caption="Figures of the data set", heads=heads, rows=rows, numeric=frozenset({1, 2}))
    return lettered(table, ("method", "interval by"))


def comparison_section(report: RunReport) -> Section | None:
    """The model against each baseline, with the deciding p value and the verdict."""
    comparisons = all_comparisons(report)
    if not comparisons:
        return None
    stats = report.experiment.reliability.stats
    correction = stats.correction.replace("_", "-")
    rankings = [ranking for stage in report.stages for ranking in stage.rankings]
    tables = (
        _comparison_table(comparisons, stats),
        watched_table(report),
        ranking_table(rankings),
        _test_table(comparisons),
    )
    return Section(
        key="comparisons",
        title="Comparisons",
        lead=f"Model minus baseline on the same examples. A verdict needs an adjusted p below {stats.alpha:g}"
        f" (correction: {correction}, over all comparisons of this run).",
        tables=tuple(table for table in tables if table is not None),
        points=tuple(f"{c.metric}, {c.baseline}: {c.summary}" for c in comparisons if c.summary),
        points_title="In words",
        tables_first=True,
        figures=("differences", *(("rankings",) if rankings else ()), "detectable"),
    )


def _comparison_table(comparisons: Sequence[Comparison], stats: StatsConfig) -> Table:
    rows = []
    for comparison in comparisons:
        test = deciding_test(comparison, stats)
        effect = comparison.effect
        adjusted = None if test is None else test.p_value if test.p_adjusted is None else test.p_adjusted
        rows.append(
            (
                named(comparison.metric, metric_label(comparison)),
                Cell(outcome(comparison, stats), tone=comparison.verdict),
                Cell(comparison.baseline),
                Cell(figure(comparison.difference), detail=interval_text(comparison.interval)),
                Cell(
                    figure(effect.value if effect else None),
                    detail=interval_text(effect.interval if effect else None),
                ),
                Cell(p_value(adjusted), detail=test.name if test else ""),
                Cell(pairs_short(comparison), hint=_clustered(comparison)),
                Cell(figure(comparison.detectable)),
            )
        )
    effects = [c.effect.name for c in comparisons if c.effect]
    heads = (
        "metric",
        "verdict",
        "baseline",
        "difference",
        f"effect {next(iter(effects), '')}".strip(),
        "p adjusted",
        "n",
        "could show",
    )
    return Table(
        caption=f"Difference with {percent(stats.confidence_level)} interval",
        heads=heads,
        rows=tuple(rows),
        numeric=frozenset(range(3, len(heads))),
        note=_how_compared(comparisons, stats),
    )


def _how_compared(comparisons: Sequence[Comparison], stats: StatsConfig) -> str:
    """How the intervals came about, and what "could show" is."""
    intervals = [(c.metric, c.interval.method) for c in comparisons if c.interval]
    effects = [(c.metric, c.effect.interval.method) for c in comparisons if c.effect and c.effect.interval]
    parts = [
        f"{what} by {grouped(found)}."
        for what, found in (("Intervals of differences", intervals), ("Of effects", effects))
        if found
    ]
    raw = "" if stats.correction == "none" else ", before correction"
    if any(comparison.n_clusters is not None for comparison in comparisons):
        parts.append("n: pairs/clusters.")
    power = f"power 0.8 at alpha {stats.alpha:g}{raw}."
    parts.append(f"Could show: the true difference that so many pairs with this spread find with {power}")
    return " ".join(parts)


def _clustered(comparison: Comparison) -> str:
    return "" if comparison.n_clusters is None else pairs_in_words(comparison)


def _test_table(comparisons: Sequence[Comparison]) -> Table:
    rows = tuple(
        (
            named(comparison.metric, metric_label(comparison)),
            Cell(comparison.baseline),
            Cell(test.name),
            Cell(figure(test.statistic)),
            Cell(p_value(test.p_value)),
            Cell(p_value(test.p_adjusted)),
            Cell(interval_text(test.interval)),
            Cell("; ".join(part for part in (test.notes, test.reason) if part)),
        )
        for comparison in comparisons
        for test in comparison.tests
    )
    heads = ("metric", "baseline", "test", "statistic", "p", "p adjusted", "interval", "how")
    return Table(caption="All tests", heads=heads, rows=rows, numeric=frozenset({3, 4, 5, 6}), folded=True)


def distribution_section(report: RunReport) -> Section | None:
    """Histograms of the scores; formats without plots get the counts."""
    found = [item for stage in report.stages for item in stage.distributions]
    if not found:
        return None
    rows = tuple(
        (
            named(item.metric),
            Cell(item.system),
            Cell(count(sum(item.counts))),
            Cell(count(item.n_undefined)),
            Cell(" ".join(str(number) for number in item.counts)),
            Cell(f"{figure(item.edges[0])} to {figure(item.edges[-1])}" if item.edges else NONE),
        )
        for item in found
    )
    heads = ("metric", "system", "defined", "undefined", "examples per bin", "range")
    caption = "Bins of the histograms"
    table = Table(caption=caption, heads=heads, rows=rows, numeric=frozenset({2, 3}), folded=True)
    return Section(
        key="distributions",
        title="Distributions",
        lead="How the scores of single examples spread.",
        tables=(table,),
        figures=("distributions",),
    )
