"""RunReport to CSV: one row for each figure, comparison, test, rank and group rate, in full precision.

For spreadsheets, R and pandas. Undefined is an empty cell with its reason in the last column. Texts that a
spreadsheet would run as a formula get an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from ...messages.fairness import FairnessResult
from ...messages.findings import (
    Comparison,
    Correlation,
    Interval,
    Metric,
    PersistenceResult,
    Ranking,
    TestResult,
    Watched,
)
from ...messages.report import RunReport
from .outcomes import deciding_test
from .overview import all_comparisons, all_figures
from .text import visible

__all__ = ["COLUMNS", "plain_cell", "render_csv"]

COLUMNS = (
    "kind", "metric", "system", "baseline", "group", "value", "low", "high", "level", "n", "clusters",
    "interval_by", "method", "effect", "effect_name", "effect_low", "effect_high", "effect_by", "p",
    "p_adjusted", "test", "could_show", "needed", "verdict", "reason",
)  # fmt: skip
"""``kind``: figure (of scores), described (of the shape of answers), correlation, persistence (of the whole
set), difference (model minus baseline), test, watched, rank, group_rate or group_gap."""
PREFIXES = {"analysis_surrogate_validation": "surrogates", "analysis_tda_validation": "persistence"}
FORMULA = ("=", "+", "-", "@", "\t")


def render_csv(report: RunReport) -> str:
    """The table, with a line of column names; lines end as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in _rows(report):
        writer.writerow([plain_cell(row.get(name)) for name in COLUMNS])
    return out.getvalue()


def plain_cell(value: Any) -> Any:
    """A value as it stands in a CSV cell: numbers in full, texts with nothing hidden and no formula."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _rows(report: RunReport) -> Iterator[dict[str, Any]]:
    for figure in all_figures(report):
        yield _figure("figure", figure, figure.name)
    for stage in report.stages:
        prefix = PREFIXES.get(stage.stage, stage.stage)
        yield from (_figure("described", each, f"{prefix}.{each.name}") for each in stage.described)
        yield from (_correlation(each) for each in stage.correlations)
        for diagram in stage.set_persistence:
            yield from _persistence(diagram)
    for comparison in all_comparisons(report):
        yield _difference(comparison, report)
    for comparison in all_comparisons(report):
        yield from (_test(comparison, test) for test in comparison.tests)
    for stage in report.stages:
        yield from (_watched(each) for each in stage.watched)
        for ranking in stage.rankings:
            yield from _ranks(ranking)
        for result in stage.fairness:
            yield from _groups(result)


def _figure(kind: str, figure: Metric, name: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "metric": name,
        "system": figure.system,
        "value": figure.value,
        "n": figure.n,
        "method": figure.method,
        "reason": figure.reason,
        **_limits(figure.interval),
    }


def _correlation(found: Correlation) -> dict[str, Any]:
    return {
        "kind": "correlation",
        "metric": f"surrogates_against_exact.{found.name}",
        "system": found.system,
        "value": found.value,
        "n": found.n,
        "clusters": found.n_clusters,
        "method": found.kind,
        "p": found.p_value,
        "test": found.p_method or None,
        "reason": found.reason,
        **_limits(found.interval),
    }


def _persistence(result: PersistenceResult) -> Iterator[dict[str, Any]]:
    """The diagram of the whole set: one row for each figure of each dimension."""
    shared = {
        "kind": "persistence",
        "system": result.system,
        "n": result.n_points,
        "method": result.method,
        "reason": "describes these points: no interval",
    }
    figures: dict[str, Mapping[str, float]] = {
        "betti": result.betti,
        "more_than_noise": result.significant,
        "total_persistence": result.total_persistence,
        "max_persistence": result.max_persistence,
        "entropy": result.entropy,
    }
    if result.status != "ok":
        yield {**shared, "metric": "whole_set", "reason": result.notes or result.status}
    for name, by_dimension in figures.items():
        for dimension, value in sorted(by_dimension.items()):
            yield {**shared, "metric": f"whole_set.{name}.H{dimension}", "value": value}


def _limits(interval: Interval | None) -> dict[str, Any]:
    if interval is None:
        return {}
    return {
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "interval_by": interval.method,
    }


def _difference(comparison: Comparison, report: RunReport) -> dict[str, Any]:
    test = deciding_test(comparison, report.experiment.reliability.stats)
    effect = comparison.effect
    found = {
        "kind": "difference",
        "metric": comparison.metric,
        "system": comparison.system,
        "baseline": comparison.baseline,
        "value": comparison.difference,
        "n": comparison.n,
        "clusters": comparison.n_clusters,
        "could_show": comparison.detectable,
        "needed": comparison.needed,
        "verdict": comparison.verdict,
        **_limits(comparison.interval),
    }
    if effect is not None:
        found |= {"effect": effect.value, "effect_name": effect.name}
    if effect is not None and effect.interval is not None:
        limits = effect.interval
        found |= {"effect_low": limits.low, "effect_high": limits.high, "effect_by": limits.method}
    if test is not None:
        found |= {"p": test.p_value, "p_adjusted": test.p_adjusted, "test": test.name, "reason": test.reason}
    return found


def _test(comparison: Comparison, test: TestResult) -> dict[str, Any]:
    return {
        "kind": "test",
        "metric": comparison.metric,
        "system": comparison.system,
        "baseline": comparison.baseline,
        "value": test.statistic,
        "n": comparison.n,
        "clusters": comparison.n_clusters,
        "method": test.notes,
        "p": test.p_value,
        "p_adjusted": test.p_adjusted,
        "test": test.name,
        "reason": test.reason,
        **_limits(test.interval),
    }


def _watched(watched: Watched) -> dict[str, Any]:
    return {
        "kind": "watched",
        "metric": watched.metric,
        "system": watched.system,
        "baseline": watched.baseline,
        "value": watched.difference,
        "n": watched.n,
        "method": watched.method,
        "p": watched.p_value,
        "verdict": None if watched.decided_after is None else f"decided after {watched.decided_after}",
        "reason": watched.reason,
        **_limits(watched.interval),
    }


def _ranks(ranking: Ranking) -> Iterator[dict[str, Any]]:
    shared = {
        "kind": "rank",
        "metric": ranking.metric,
        "n": ranking.n,
        "clusters": ranking.n_clusters,
        "method": ranking.method,
    }
    if not ranking.systems:
        yield {**shared, "reason": ranking.reason}
    for each in ranking.systems:
        first, last = each.place
        place = f"place {first}" if first == last else f"place {first} to {last}"
        yield {
            **shared,
            "system": each.system,
            "value": each.strength,
            "verdict": "best" if each.system == ranking.best else place,
            **_limits(each.interval),
        }


def _groups(result: FairnessResult) -> Iterator[dict[str, Any]]:
    for rate in result.rates:
        yield {
            "kind": "group_rate",
            "metric": rate.rate,
            "system": result.system,
            "group": rate.group,
            "value": rate.value,
            "n": rate.n,
            "reason": rate.reason,
            **_limits(rate.interval),
        }
    for gap in result.gaps:
        yield {
            "kind": "group_gap",
            "metric": f"{gap.criterion}_{gap.measure}",
            "system": result.system,
            "group": None if gap.lowest is None else f"{gap.lowest} / {gap.highest}",
            "value": gap.value,
            "n": gap.n,
            "verdict": gap.verdict if gap.measure == "difference" and gap.value is not None else None,
            "reason": gap.reason,
            **_limits(gap.interval),
        }
