"""Dots with confidence intervals: scores by system, and differences to the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.findings import Comparison, Interval
from ....messages.report import RunReport
from ..numbers import figure as number
from ..numbers import interval_text, percent
from ..overview import all_comparisons, all_figures, compared_first, metric_label, systems
from .figure import (
    INK,
    MARKERS,
    MUTED,
    SERIES,
    WIDTH,
    Plot,
    finish,
    frame,
    label,
    label_inches,
    plot_style,
    quiet,
)

__all__ = ["draw_differences", "draw_intervals"]

MAX_ROWS = 16
ROW_INCHES = 0.36
TONES = {"better": SERIES[0], "worse": SERIES[1]}


@dataclass(frozen=True)
class Dot:
    """One estimate in one row."""

    row: str
    series: int
    value: float
    interval: Interval | None
    colour: str
    filled: bool = True

    @property
    def extent(self) -> tuple[float, float]:
        """From the lowest to the highest value drawn."""
        ends = (self.value,) if self.interval is None else (self.value, self.interval.low, self.interval.high)
        return min(ends), max(ends)


def draw_intervals(report: RunReport) -> list[Plot]:
    """Mean of each metric for each system."""
    names = systems(report)[: len(SERIES)]
    dots = [
        Dot(m.name, names.index(m.system), m.value, m.interval, SERIES[names.index(m.system)])
        for m in all_figures(report)
        if m.system in names and m.value is not None
    ]
    if not dots:
        return []
    order = compared_first(report, (dot.row for dot in dots))
    order.sort(key=lambda row: _is_constant([dot for dot in dots if dot.row == row]))
    dots.sort(key=lambda dot: order.index(dot.row))
    left_out = _left_out(dots)
    dots = _first_rows(dots)
    level = percent(report.experiment.reliability.stats.confidence_level)
    with plot_style():
        figure = _panels(dots, _panel_rows(dots, shared=(0.0, 1.0)), zero=False)
        _legend(figure, [name for i, name in enumerate(names) if any(dot.series == i for dot in dots)], names)
        drawn = finish(figure, "intervals")
    caption = f"Mean score of each system (dot) with its {level} interval (line).{left_out}"
    if len(names) > 1:
        caption += (
            " Overlapping lines do not mean that there is no difference: the comparisons pair the examples."
        )
    words = "; ".join(
        f"{dot.row}, {names[dot.series]}: {number(dot.value)} ({interval_text(dot.interval)})" for dot in dots
    )
    return [Plot(drawn, caption, f"Dot plot of scores with intervals. {words}.")]


def _is_constant(dots: Sequence[Dot]) -> bool:
    """Whether a row says nothing: every system has the same value on every example."""
    at_an_end = (d.interval is None or d.value in (d.interval.low, d.interval.high) for d in dots)
    return all(at_an_end) and len({dot.value for dot in dots}) == 1


def draw_differences(report: RunReport) -> list[Plot]:
    """Model minus baseline, filled where the verdict is clear."""
    comparisons = [c for c in all_comparisons(report) if c.difference is not None]
    many = len({c.baseline for c in comparisons}) > 1
    dots = [_difference_dot(comparison, named=many) for comparison in comparisons]
    if not dots:
        return []
    left_out = _left_out(dots)
    dots = _first_rows(dots)
    level = percent(report.experiment.reliability.stats.confidence_level)
    with plot_style():
        drawn = finish(_panels(dots, _panel_rows(dots, shared=(-1.0, 1.0)), zero=True), "differences")
    caption = (
        f"Model minus baseline with its {level} interval; right of the zero line the model scores higher."
        f" Filled dots are decided after correction, hollow ones are not.{left_out}"
    )
    words = "; ".join(
        f"{c.metric} against {c.baseline}: {number(c.difference)} ({interval_text(c.interval)}), {c.verdict}"
        for c in comparisons[:MAX_ROWS]
    )
    return [Plot(drawn, caption, f"Dot plot of differences with intervals. {words}.")]


def _difference_dot(comparison: Comparison, *, named: bool) -> Dot:
    metric = metric_label(comparison)
    row = f"{metric} · {comparison.baseline}" if named else metric
    decided = comparison.verdict in TONES
    colour = TONES.get(comparison.verdict, MUTED)
    return Dot(row, 0, comparison.difference or 0.0, comparison.interval, colour, filled=decided)


def _first_rows(dots: Sequence[Dot]) -> list[Dot]:
    rows = list(dict.fromkeys(dot.row for dot in dots))[:MAX_ROWS]
    return [dot for dot in dots if dot.row in rows]


def _left_out(dots: Sequence[Dot]) -> str:
    more = len({dot.row for dot in dots}) - MAX_ROWS
    return f" {more} more rows are in the table only." if more > 0 else ""


def _panel_rows(dots: Sequence[Dot], shared: tuple[float, float]) -> list[list[str]]:
    """Rows that fit the shared scale in one panel, each other row in a panel with a scale of its own."""
    margin = 0.05
    fits: list[str] = []
    alone: list[list[str]] = []
    for row in dict.fromkeys(dot.row for dot in dots):
        extents = [dot.extent for dot in dots if dot.row == row]
        low, high = min(e[0] for e in extents), max(e[1] for e in extents)
        if low >= shared[0] - margin and high <= shared[1] + margin:
            fits.append(row)
        else:
            alone.append([row])
    return ([fits] if fits else []) + alone


def _panels(dots: Sequence[Dot], panels: Sequence[Sequence[str]], *, zero: bool) -> Figure:
    rows = sum(len(panel) for panel in panels)
    figure = Figure(figsize=(WIDTH, 0.9 + ROW_INCHES * rows + 0.3 * len(panels)))
    grid = figure.add_gridspec(len(panels), 1, height_ratios=[len(panel) + 0.6 for panel in panels])
    left = label_inches(row for panel in panels for row in panel)
    frame(figure, left=left, top=0.1 if zero else 0.35, bottom=0.45, hspace=0.5)
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(grid[index])
        _rows(axes, [dot for dot in dots if dot.row in panel], panel)
        if zero:
            axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_xlabel("model minus baseline" if zero else "mean score")
    return figure


def _rows(axes: Axes, dots: Sequence[Dot], rows: Sequence[str]) -> None:
    series = sorted({dot.series for dot in dots})
    for dot in dots:
        y = rows.index(dot.row) + 0.22 * (series.index(dot.series) - (len(series) - 1) / 2)
        if dot.interval is not None:
            axes.plot([dot.interval.low, dot.interval.high], [y, y], color=dot.colour, solid_capstyle="round")
        marker = MARKERS[dot.series % len(MARKERS)]
        face = dot.colour if dot.filled else "none"
        axes.plot([dot.value], [y], marker, color=dot.colour, markersize=5.5, markerfacecolor=face, zorder=3)
    axes.set_yticks(range(len(rows)), [label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    quiet(axes, grid="x")


def _legend(figure: Figure, shown: Sequence[str], names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=SERIES[names.index(name)],
            marker=MARKERS[names.index(name)],
            markersize=5.5,
            label=label(name),
        )
        for name in shown
    ]
    figure.legend(handles=handles, loc="upper left", ncols=3)
