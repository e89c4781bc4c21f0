"""Small histograms: one panel per metric, one outline per system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ....messages.findings import Distribution
from ....messages.report import RunReport
from ..overview import compared_first, systems
from .figure import MUTED, SERIES, WIDTH, Plot, finish, frame, label, plot_style, quiet

__all__ = ["draw_distributions"]

COLUMNS = 2
MAX_PANELS = 8
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def draw_distributions(report: RunReport) -> list[Plot]:
    """Shares of the examples per bin, so that systems with different numbers of defined scores compare."""
    found = [item for stage in report.stages for item in stage.distributions if sum(item.counts)]
    named = systems(report)
    names = list(dict.fromkeys([*named, *(item.system for item in found)]))[: len(SERIES)]
    found = [item for item in found if item.system in names]
    metrics = compared_first(report, (item.metric for item in found))
    metrics.sort(key=lambda metric: all(_is_constant(item) for item in found if item.metric == metric))
    if not metrics:
        return []
    shown = metrics[:MAX_PANELS]
    rows = -(-len(shown) // COLUMNS)
    with plot_style():
        figure = Figure(figsize=(WIDTH, 0.5 + 1.55 * rows))
        frame(figure, left=0.45, top=0.55, bottom=0.25, hspace=0.55)
        for index, metric in enumerate(shown):
            axes = figure.add_subplot(rows, COLUMNS, index + 1)
            _panel(axes, metric, [item for item in found if item.metric == metric], names)
        present = [name for name in names if any(item.system == name for item in found)]
        handles = [
            Line2D([], [], color=SERIES[names.index(n)], linestyle=DASHES[names.index(n)], label=label(n))
            for n in present
        ]
        figure.legend(handles=handles, loc="upper left", ncols=3)
        drawn = finish(figure, "distributions")
    more = (
        f" {len(metrics) - len(shown)} more metrics are in the table only."
        if len(metrics) > len(shown)
        else ""
    )
    caption = f"Share of the examples (upwards) by score (rightwards).{more}"
    words = "; ".join(_words(item) for item in found if item.metric in shown)
    return [Plot(drawn, caption, f"Histograms of scores. {words}.")]


def _is_constant(item: Distribution) -> bool:
    return sum(1 for count in item.counts if count) <= 1


def _panel(axes: Axes, metric: str, items: Sequence[Distribution], names: Sequence[str]) -> None:
    for item in items:
        series = names.index(item.system)
        total = sum(item.counts)
        shares = [count / total for count in item.counts]
        axes.stairs(shares, item.edges, color=SERIES[series], linestyle=DASHES[series], linewidth=1.5)
        if series == 0:
            axes.stairs(shares, item.edges, color=SERIES[series], fill=True, alpha=0.14)
    axes.set_title(label(metric))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines["left"].set_visible(False)
    axes.locator_params(nbins=4)
    quiet(axes, grid="y")


def _words(item: Distribution) -> str:
    """The fullest bin in words."""
    top = max(range(len(item.counts)), key=item.counts.__getitem__)
    share = item.counts[top] / sum(item.counts)
    place = f"most in {item.edges[top]:.3g} to {item.edges[top + 1]:.3g} ({share:.0%})"
    return f"{item.metric}, {item.system}: {place}, {item.n_undefined} undefined"
