"""The sections on scores, comparisons and distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, Metric, TestResult
from ...messages.report import RunReport
from .document import Cell, Section, Table
from .numbers import NONE, count, figure, grouped, interval_text, p_value, percent
from .overview import all_comparisons, all_figures, compared_first, metric_label, systems
from .rankings import ranking_table
from .stage_figures import system_table
from .watched import watched_table

__all__ = ["comparison_section", "distribution_section", "result_section"]

CUT = ", cut to [0, 1]"
VERDICT_WORDS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "undecided": "undecided",
    "no_data": "no data",
}


def result_section(report: RunReport) -> Section | None:
    """Every metric of every system, with interval, n and method."""
    figures = all_figures(report)
    scored = [metric for metric in figures if metric.system]
    tables = []
    if scored:
        order = compared_first(report, (metric.name for metric in scored))
        tables.append(_score_table(scored, order, systems(report), report.experiment.reliability.stats))
    plain = [metric for metric in figures if not metric.system]
    if plain:
        tables.append(_plain_table(plain))
    derived = next((stage.metrics for stage in report.stages if stage.stage == "analysis_metrics"), None)
    if derived:
        tables.append(replace(system_table("Derived figures", derived, systems(report)), folded=True))
    if not tables:
        return None
    return Section(
        key="results",
        title="Scores",
        lead="Means over the examples on which a score is defined, with confidence intervals.",
        tables=tuple(tables),
        figures=("intervals",) if scored else (),
        points=tuple(_reasons(scored)),
        points_title="Why some have no interval",
    )


def _score_table(
    figures: Sequence[Metric], metrics: Sequence[str], names: Sequence[str], stats: StatsConfig
) -> Table:
    by_key = {(metric.name, metric.system): metric for metric in figures}
    shown = [name for name in names if any((metric, name) in by_key for metric in metrics)]
    rows = []
    for name in metrics:
        row = [by_key.get((name, system)) for system in shown]
        present = [metric for metric in row if metric is not None]
        rows.append(
            (
                Cell(name),
                *(_value_cell(metric) for metric in row),
                Cell(_shared([count(metric.n) for metric in present])),
                Cell(_shared([metric.method for metric in present])),
                Cell(_interval_methods(present)),
            )
        )
    return Table(
        caption=f"Mean with {percent(stats.confidence_level)} interval",
        heads=("metric", *shown, "n", "scored by", "interval by"),
        rows=tuple(rows),
        numeric=frozenset(range(1, len(shown) + 2)),
    )


def _value_cell(metric: Metric | None) -> Cell:
    return Cell(NONE) if metric is None else Cell(figure(metric.value), detail=interval_text(metric.interval))


def _shared(values: Sequence[str]) -> str:
    """The one value that all share, or all of them in the order of the systems."""
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def _interval_methods(figures: Sequence[Metric]) -> str:
    """Said once for all systems; that some limits were cut is said behind it."""
    methods = [figure.interval.method for figure in figures if figure.interval]
    cut = CUT if any(method.endswith(CUT) for method in methods) else ""
    return _shared([method.removesuffix(CUT) for method in methods]) + cut if methods else NONE


def _reasons(figures: Sequence[Metric]) -> list[str]:
    """Why figures have no value or no interval: one sentence per reason and system."""
    groups: dict[tuple[str, str], list[str]] = {}
    for metric in figures:
        if metric.reason:
            groups.setdefault((metric.reason, metric.system or ""), []).append(metric.name)
    return [f"{system}, {reason}: {', '.join(names)}." for (reason, system), names in groups.items()]


def _plain_table(figures: Sequence[Metric]) -> Table:
    rows = tuple(
        (Cell(m.name), _value_cell(m), Cell(count(m.n)), Cell(m.method), Cell(m.reason or ""))
        for m in figures
    )
    heads = ("figure", "value", "n", "method", "note")
    return Table(caption="Figures of the data set", heads=heads, rows=rows, numeric=frozenset({1, 2}))


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
        figures=("differences", *(("rankings",) if rankings else ()), "detectable"),
    )


def deciding_test(comparison: Comparison, stats: StatsConfig) -> TestResult | None:
    """The test that the verdict rests on: permutation if it was asked for, else the first."""
    name = "permutation" if "permutation" in stats.tests else next(iter(stats.tests), None)
    return next((test for test in comparison.tests if test.name == name), None)


def _comparison_table(comparisons: Sequence[Comparison], stats: StatsConfig) -> Table:
    rows = []
    for comparison in comparisons:
        test = deciding_test(comparison, stats)
        effect = comparison.effect
        adjusted = None if test is None else test.p_value if test.p_adjusted is None else test.p_adjusted
        rows.append(
            (
                Cell(metric_label(comparison)),
                Cell(comparison.baseline),
                Cell(figure(comparison.difference), detail=interval_text(comparison.interval)),
                Cell(
                    figure(effect.value if effect else None),
                    detail=interval_text(effect.interval if effect else None),
                ),
                Cell(p_value(adjusted), detail=test.name if test else ""),
                Cell(_pairs(comparison)),
                Cell(figure(comparison.detectable)),
                Cell(VERDICT_WORDS[comparison.verdict], tone=comparison.verdict),
            )
        )
    effects = [c.effect.name for c in comparisons if c.effect]
    heads = (
        "metric",
        "baseline",
        "difference",
        f"effect {next(iter(effects), '')}".strip(),
        "p adjusted",
        "n",
        "could show",
    )
    return Table(
        caption=f"Difference with {percent(stats.confidence_level)} interval",
        heads=(*heads, "verdict"),
        rows=tuple(rows),
        numeric=frozenset({2, 3, 4, 5, 6}),
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
    power = f"power 0.8 at alpha {stats.alpha:g}{raw}."
    parts.append(f"Could show: the true difference that so many pairs with this spread find with {power}")
    return " ".join(parts)


def _pairs(comparison: Comparison) -> str:
    if comparison.n_clusters is None:
        return count(comparison.n)
    return f"{count(comparison.n)} in {count(comparison.n_clusters)} clusters"


def _test_table(comparisons: Sequence[Comparison]) -> Table:
    rows = tuple(
        (
            Cell(metric_label(comparison)),
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
            Cell(item.metric),
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
