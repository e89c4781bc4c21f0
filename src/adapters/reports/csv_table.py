"""RunReport to CSV: one row for each figure, comparison and group rate, in full precision.

For spreadsheets, R and pandas. Undefined is an empty cell with its reason in the last column. Texts that a
spreadsheet would run as a formula get an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from ...messages.fairness import FairnessResult
from ...messages.findings import Comparison, Interval
from ...messages.report import RunReport
from .overview import all_comparisons, all_figures
from .results import deciding_test
from .text import visible

__all__ = ["COLUMNS", "plain_cell", "render_csv"]

COLUMNS = (
    "kind", "metric", "system", "baseline", "group", "value", "low", "high", "level", "n", "clusters",
    "interval_by", "method", "effect", "effect_name", "p", "p_adjusted", "test", "verdict", "reason",
)  # fmt: skip
"""``kind``: figure, difference (model minus baseline), group_rate or group_gap."""
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
        yield {
            "kind": "figure",
            "metric": figure.name,
            "system": figure.system,
            "value": figure.value,
            "n": figure.n,
            "method": figure.method,
            "reason": figure.reason,
            **_limits(figure.interval),
        }
    for comparison in all_comparisons(report):
        yield _difference(comparison, report)
    for stage in report.stages:
        for result in stage.fairness:
            yield from _groups(result)


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
        "verdict": comparison.verdict,
        **_limits(comparison.interval),
    }
    if effect is not None:
        found |= {"effect": effect.value, "effect_name": effect.name}
    if test is not None:
        found |= {"p": test.p_value, "p_adjusted": test.p_adjusted, "test": test.name, "reason": test.reason}
    return found


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
