"""What ``crucible run`` prints when a run is over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from ...messages.control import RunResult
from ...messages.findings import Comparison, Metric
from ..reports.means import interval_method, shared
from ..reports.numbers import percent
from ..reports.topology import TOPOLOGY_STAGES

__all__ = ["comparison_line", "print_figures", "print_json", "print_summary"]


def print_json(result: RunResult) -> None:
    """One JSON object on stdout."""
    content: dict[str, Any] = {
        "run_id": result.run_id,
        "status": result.status,
        "failure": result.failure,
        "stopped": result.stopped,
        "seconds": result.seconds,
        "metrics": {stage.stage: stage.metrics for stage in result.stages},
        "figures": [figure for stage in result.stages for figure in stage.figures],
        "comparisons": [comparison for stage in result.stages for comparison in stage.comparisons],
        "artifacts": result.artifacts,
    }
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")


def print_summary(result: RunResult, folder: Path) -> None:
    """The headline figures, the comparisons in words, and where the files are."""
    print_figures([figure for stage in result.stages for figure in stage.figures])
    for stage in result.stages:
        print_figures(list(stage.described), title=TOPOLOGY_STAGES.get(stage.stage, stage.stage))
    for stage in result.stages:
        for comparison in stage.comparisons:
            print(comparison_line(comparison))
    for stage in result.stages:
        if stage.reason is not None and stage.status == "completed":
            print(f"note: {stage.stage}: {stage.reason}")
    print(f"{result.status} in {result.seconds:.1f} s: {folder}")
    for artifact in result.artifacts:
        if "/" not in artifact.name:
            print(f"  {artifact.path}")


def print_figures(figures: list[Metric], title: str = "") -> None:
    """A table of metrics by systems, with n and how the intervals came about; nothing when there are none."""
    systems = list(dict.fromkeys(figure.system for figure in figures if figure.system))
    by_name: dict[str, dict[str, Metric]] = {}
    for figure in figures:
        if figure.system is not None:
            by_name.setdefault(figure.name, {})[figure.system] = figure
    if not by_name:
        return
    if title:
        print(title)
    levels = {figure.interval.level for figure in figures if figure.interval}
    head = f"mean [{percent(levels.pop())} interval]" if len(levels) == 1 else "mean [interval]"
    rows = [(head, [*systems, "n", "interval by"])]
    for name, row in by_name.items():
        counts = shared([str(metric.n) for metric in row.values()])
        cells = [*(_cell(row.get(system)) for system in systems), counts]
        rows.append((name, [*cells, shared([_method(metric) for metric in row.values()])]))
    first = max(len(name) for name, _ in rows)
    widths = [max(len(cells[at]) for _, cells in rows) for at in range(len(systems) + 1)]
    for name, (*numbers, method) in rows:
        aligned = "".join(f"  {cell:>{width}}" for cell, width in zip(numbers, widths, strict=True))
        print(f"{name:<{first}}{aligned}  {method}")
    print()


def _cell(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return "-"
    if metric.interval is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} [{metric.interval.low:.3f}, {metric.interval.high:.3f}]"


def _method(metric: Metric) -> str:
    """Its kind; the report has it in full."""
    return interval_method(metric).split(",", maxsplit=1)[0]


def comparison_line(comparison: Comparison) -> str:
    """One comparison on one line: difference, interval, p, verdict."""
    head = f"{comparison.metric}: {comparison.system} against {comparison.baseline}"
    if comparison.difference is None:
        return f"{head}: no data"
    text = f"{head}: {comparison.difference:+.3f}"
    if comparison.interval is not None:
        text += f" [{comparison.interval.low:+.3f}, {comparison.interval.high:+.3f}]"
    tests = {test.name: test for test in reversed(comparison.tests)}
    decided = tests.get("permutation") or next(iter(comparison.tests), None)  # as bench decides
    if decided is not None and decided.p_adjusted is not None:
        p_value = "< 0.001" if decided.p_adjusted < 0.001 else f"= {decided.p_adjusted:.3f}"
        text += f", p {p_value} ({decided.name}, corrected)"
    return f"{text}, {comparison.n} pairs: {comparison.verdict}"
