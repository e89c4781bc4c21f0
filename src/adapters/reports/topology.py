"""The section on topology: means over the answers, the diagram of the whole set, and how surrogates fare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...messages.findings import Correlation, PersistenceResult
from ...messages.flow import StageResult
from ...messages.report import RunReport
from .document import Cell, Section, Table
from .letters import lettered
from .means import mean_table
from .numbers import NONE, count, figure, interval_text, p_value, percent
from .overview import systems
from .stage_figures import system_table

__all__ = ["TOPOLOGY_STAGES", "topology_section"]

TOPOLOGY_STAGES = {
    "analysis_surrogate_validation": "Claim graphs (surrogates)",
    "analysis_tda_validation": "Claims as points (persistent homology)",
}
KINDS = {"pearson": "Pearson's r", "spearman": "Spearman's ρ"}
PAIRS = {"beta1": "β₁ and lasting loops", "fragility": "fragility and mean life of bars"}
P_METHODS = {
    "exact": "over all orders",
    "permutation": "over random orders",
    "t": "Student's t",
    "clustered t": "t of the clusters",
}
ONE_CLOUD = (
    "Figures of one diagram describe its points and have no interval."
    " What is more than noise is judged at 5 %."
)


def topology_section(report: RunReport) -> Section | None:
    """Surrogates per claim graph and persistent homology of answers and of the whole set."""
    results = [result for stage in report.stages for result in stage.set_persistence]
    tables = [_persistence_table(results)] if results else []
    tables += (
        _mean_table(stage, report)
        for stage in report.stages
        if stage.stage in TOPOLOGY_STAGES and stage.metrics
    )
    correlations = [each for stage in report.stages for each in stage.correlations]
    if correlations:
        tables.append(_correlation_table(correlations, report))
    apart = list(_distances(report))
    if apart:
        tables.append(_distance_table(apart))
    if not tables:
        return None
    said = [(r.system, text) for r in results for text in (r.notes, _judged(r)) if text]
    notes = tuple(dict.fromkeys(f"{system}: {text}" for system, text in said))
    drawn = any(bar for result in results for bar in result.bars)
    return Section(
        key="topology",
        title="Topology",
        lead="Shape of the claims in embedding space: components (H0), loops (H1), voids (H2).",
        tables=tuple(tables),
        figures=("persistence",) if drawn else (),
        points=notes,
    )


def _mean_table(stage: StageResult, report: RunReport) -> Table:
    """Means with their intervals; of an adapter that measures none, what it says instead."""
    caption = TOPOLOGY_STAGES[stage.stage]
    if not stage.described:
        return system_table(caption, stage.metrics, systems(report))
    level = percent(report.experiment.reliability.stats.confidence_level)
    order = list(dict.fromkeys(metric.name for metric in stage.described))
    table = mean_table(f"{caption}: mean with {level} interval", stage.described, systems(report), order)
    return replace(table, note=_counts(stage.metrics))


def _counts(metrics: Mapping[str, Any]) -> str:
    """The counts behind the means: whole numbers, exact."""
    said = []
    for system, figures in metrics.items():
        numbers = {name: value for name, value in figures.items() if isinstance(value, int)}
        if numbers:
            said.append(f"{system} {', '.join(f'{name} {count(n)}' for name, n in numbers.items())}")
    return f"Counts, exact: {'; '.join(said)}." if said else ""


def _persistence_table(results: Sequence[PersistenceResult]) -> Table:
    rows = tuple(
        (
            Cell(result.system),
            Cell(result.status.replace("_", " "), tone="" if result.status == "ok" else "skipped"),
            Cell(count(result.n_points)),
            Cell(_by_dimension(result.betti)),
            Cell(_by_dimension(result.significant)),
            Cell(_by_dimension(result.total_persistence)),
            Cell(_by_dimension(result.max_persistence)),
            Cell(_by_dimension(result.entropy)),
            Cell(result.method),
        )
        for result in results
    )
    heads = (
        "system",
        "status",
        "points",
        "Betti",
        "more than noise",
        "total persistence",
        "longest bar",
        "entropy",
        "method",
    )
    table = Table("Persistent homology of the whole set", heads, rows, frozenset({2}), note=ONE_CLOUD)
    return lettered(table, ("method",))


def _judged(result: PersistenceResult) -> str:
    return f"more than noise, {result.significance}" if result.significance else ""


def _by_dimension(values: dict[str, int] | dict[str, float]) -> str:
    shown = (
        f"H{key}\u00a0{count(v) if isinstance(v, int) else figure(v)}" for key, v in sorted(values.items())
    )
    return ", ".join(shown) or NONE


def _correlation_table(correlations: Sequence[Correlation], report: RunReport) -> Table:
    rows = tuple(
        (
            Cell(PAIRS.get(each.name, each.name)),
            Cell(KINDS[each.kind]),
            Cell(each.system or ""),
            Cell(figure(each.value), detail=interval_text(each.interval)),
            Cell(p_value(each.p_value), detail=P_METHODS.get(each.p_method, each.p_method)),
            Cell(_answers(each)),
            Cell(each.interval.method if each.interval else f"none: {each.reason}"),
        )
        for each in correlations
    )
    level = percent(report.experiment.reliability.stats.confidence_level)
    table = Table(
        caption=f"Surrogates against exact figures: correlation with {level} interval",
        heads=("figures", "coefficient", "system", "value", "p", "n", "interval by"),
        rows=rows,
        numeric=frozenset({3, 4, 5}),
        note=" ".join(_gates(report)),
    )
    return lettered(table, ("interval by",))


def _answers(found: Correlation) -> str:
    if found.n_clusters is None:
        return count(found.n)
    return f"{count(found.n)} in {count(found.n_clusters)} clusters"


def _gates(report: RunReport) -> Iterator[str]:
    for system, figures in _tda(report).items():
        gate = figures.get("surrogates_against_exact", {}).get("gate1")
        if gate:
            words = {True: "passed", False: "missed", None: "not defined"}[gate["passes"]]
            asked = f"r of β₁ above {gate['threshold']:g} with p below {gate['alpha']:g}"
            yield f"Gate 1, {system} ({asked}, not corrected): {words}."


def _tda(report: RunReport) -> Mapping[str, Any]:
    found = next((s.metrics for s in report.stages if s.stage == "analysis_tda_validation"), {})
    return {system: figures for system, figures in found.items() if isinstance(figures, Mapping)}


def _distances(report: RunReport) -> Iterator[tuple[str, str, str, float | None]]:
    """Each pair of systems once."""
    seen = set()
    for system, figures in _tda(report).items():
        for other, distances in figures.get("distance_to", {}).items():
            if frozenset((system, other)) not in seen:
                seen.add(frozenset((system, other)))
                yield from ((system, other, name, value) for name, value in distances.items())


def _distance_table(found: Sequence[tuple[str, str, str, float | None]]) -> Table:
    rows = tuple(
        (Cell(left), Cell(right), Cell(name.replace("_", ", H")), Cell(figure(value)))
        for left, right, name, value in found
    )
    return Table(
        caption="Distances of the whole sets' diagrams",
        heads=("system", "from", "distance", "value"),
        rows=rows,
        numeric=frozenset({3}),
        note="Exact for these diagrams, by matching: a description of two sets of points, without an interval"
        f" and no test. {NONE} where one has no diagram or too many bars.",
    )
