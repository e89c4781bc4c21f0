"""How small a difference the run could see, and how many examples would show a smaller one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ....messages.findings import Comparison
from ....messages.report import RunReport
from ...statistics.effects import detectable_at
from ..numbers import count
from ..numbers import figure as number
from ..overview import all_comparisons, metric_label
from .figure import MUTED, SERIES, WIDTH, Plot, finish, frame, label, plot_style, quiet

__all__ = ["draw_detectable"]

MAX_LINES = len(SERIES)
POINTS = 60


def draw_detectable(report: RunReport) -> list[Plot]:
    """One line for each metric, against the first baseline: fewer pairs see only larger differences."""
    drawable = [c for c in all_comparisons(report) if c.detectable and _units(c) > 2]
    if not drawable:
        return []
    baseline = drawable[0].baseline
    found = [c for c in drawable if c.baseline == baseline]
    more = len(found) - MAX_LINES
    found = found[:MAX_LINES]
    alpha = report.experiment.reliability.stats.alpha
    with plot_style():
        figure = Figure(figsize=(WIDTH, 3.2))
        frame(figure, left=0.6, right=1.6, top=0.2)
        axes = figure.add_subplot()
        _lines(axes, found, alpha)
        drawn = finish(figure, "detectable")
    unit = _unit(found)
    caption = (
        f"The true difference to {label(baseline)} that so many {unit} would show with power 0.8, given the"
        " spread of this run. Rings: this run; crosses: the difference that it saw. A cross below its line"
        f" needed more {unit}."
    )
    if more > 0:
        caption += f" {more} more metrics are left out."
    words = "; ".join(
        f"{metric_label(c)}: {count(_units(c))} {_unit([c])} could show {number(c.detectable)}, seen"
        f" {number(c.difference)}" + (f", {count(c.needed)} would have shown that" if c.needed else "")
        for c in found
    )
    return [Plot(drawn, caption, f"Detectable difference against the number of {unit}. {words}.")]


def _units(comparison: Comparison) -> int:
    return comparison.n_clusters or comparison.n


def _unit(comparisons: Sequence[Comparison]) -> str:
    return "clusters" if comparisons[0].n_clusters is not None else "examples"


def _lines(axes: Axes, found: Sequence[Comparison], alpha: float) -> None:
    most = max(_units(c) for c in found)
    sizes = np.unique(np.geomspace(4, 10 * most, POINTS).astype(int))
    for number_, comparison in enumerate(found):
        units, detectable = _units(comparison), comparison.detectable
        assert detectable is not None
        colour = SERIES[number_]
        curve = [detectable_at(detectable, units, int(n), alpha) for n in sizes]
        drawn = [(n, value) for n, value in zip(sizes, curve, strict=True) if value is not None]
        axes.plot(*zip(*drawn, strict=True), color=colour, label=label(metric_label(comparison)))
        axes.plot([units], [detectable], "o", color=colour, markersize=6, markerfacecolor="none")
        axes.plot(
            [units], [abs(comparison.difference or 0.0)], "x", color=colour, markersize=6, clip_on=False
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{_unit(found)} compared")
    axes.set_ylabel("difference")
    axes.tick_params(which="both", labelcolor=MUTED, length=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    quiet(axes, grid="both")
