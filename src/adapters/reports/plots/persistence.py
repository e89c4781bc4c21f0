"""Persistence diagram and barcode of each system's whole set."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.findings import Bar, PersistenceResult
from ....messages.report import RunReport
from ..numbers import figure as number
from .figure import GRID, MARKERS, MUTED, SERIES, WIDTH, Plot, finish, frame, label, plot_style, quiet

__all__ = ["draw_persistence"]

MAX_SYSTEMS = 6
MAX_BARS = 30
MAX_DOTS = 3000
LIMITS = " Above the dotted line of its colour a class is more than noise."
SERIES_OF_DIMENSION = (5, 0, 1)


def draw_persistence(report: RunReport) -> list[Plot]:
    """One plot per system that has bars."""
    results = [result for stage in report.stages for result in stage.set_persistence if result.bars]
    ends = [
        end for result in results for bar in result.bars for end in (bar.birth, bar.death) if end is not None
    ]
    top = (max(ends, default=0.0) or 1.0) * 1.08
    return [_draw(result, index, top) for index, result in enumerate(results[:MAX_SYSTEMS])]


def _draw(result: PersistenceResult, index: int, top: float) -> Plot:
    """All systems share the scale that ends at ``top``."""
    bars = sorted(result.bars, key=_length, reverse=True)[:MAX_DOTS]
    dimensions = sorted({bar.dimension for bar in bars})
    longest = [bar for d in dimensions for bar in [bar for bar in bars if bar.dimension == d][:MAX_BARS]]
    with plot_style():
        figure = Figure(figsize=(WIDTH, 3.1))
        left, right = figure.subplots(1, 2)
        frame(figure, left=0.55, wspace=0.12)
        _diagram(left, bars, dimensions, top)
        _limits(left, result, dimensions, top)
        _barcode(right, sorted(longest, key=lambda bar: (bar.dimension, bar.birth, _length(bar))), top)
        figure.suptitle(label(result.system), x=0.01, y=0.995, va="top", ha="left", fontsize=10)
        figure.legend(*left.get_legend_handles_labels(), loc="upper right", ncols=3)
        drawn = finish(figure, f"persistence{index}")
    hidden = len(result.bars) - len(longest)
    cut = f" Only the {MAX_BARS} longest bars of each kind are drawn; {hidden} are not." if hidden else ""
    caption = (
        f"{result.system}: each class of the claims' shape by the distance at which it is born and dies."
        " Left: the further above the diagonal, the longer it lasts; triangles at the top never die."
        f" Right: the same as bars.{cut}{LIMITS if result.critical else ''}"
    )
    words = "; ".join(
        f"H{key}: {count} lasting, longest {number(result.max_persistence.get(key))}{_beyond(result, key)}"
        for key, count in sorted(result.betti.items())
    )
    return Plot(drawn, caption, f"Persistence diagram and barcode of {result.system}. {words}.")


def _beyond(result: PersistenceResult, key: str) -> str:
    return f", {result.significant[key]} more than noise" if key in result.significant else ""


def _length(bar: Bar) -> float:
    return float("inf") if bar.death is None else bar.death - bar.birth


def _colour(bar_dimension: int) -> str:
    return SERIES[SERIES_OF_DIMENSION[min(bar_dimension, 2)]]


def _diagram(axes: Axes, bars: Sequence[Bar], dimensions: Sequence[int], top: float) -> None:
    axes.plot([0, top], [0, top], color=GRID, linewidth=1)
    axes.axhline(top, color=GRID, linewidth=1, linestyle="--")
    for dimension in dimensions:
        mine = [bar for bar in bars if bar.dimension == dimension]
        mortal = [(bar.birth, bar.death) for bar in mine if bar.death is not None]
        axes.plot(
            [birth for birth, _ in mortal],
            [death for _, death in mortal],
            MARKERS[min(dimension, 2)],
            label=f"H{dimension}",
            color=_colour(dimension),
            markersize=4.5,
            markeredgewidth=0,
            alpha=0.8,
        )
        forever = [bar.birth for bar in mine if bar.death is None]
        axes.plot(forever, [top] * len(forever), "^", color=_colour(dimension), markersize=6, clip_on=False)
    axes.set(xlabel="birth", ylabel="death", xlim=(-0.02 * top, top), ylim=(-0.02 * top, top * 1.02))
    axes.tick_params(labelcolor=MUTED)
    axes.locator_params(nbins=4)
    quiet(axes, grid="both")


def _limits(axes: Axes, result: PersistenceResult, dimensions: Sequence[int], top: float) -> None:
    """Where noise ends: a level for pieces, all born at 0, and a slope for the others."""
    for dimension in dimensions:
        limit = result.critical.get(str(dimension))
        if limit is None or (dimension == 0 and limit > top):
            continue
        ends = [limit, limit] if dimension == 0 else [0.0, top]
        starts = [0.0, top] if dimension == 0 else [0.0, top / limit]
        axes.plot(starts, ends, color=_colour(dimension), linewidth=1, linestyle=":")


def _barcode(axes: Axes, bars: Sequence[Bar], top: float) -> None:
    ends = [top if bar.death is None else bar.death for bar in bars]
    colours = [_colour(bar.dimension) for bar in bars]
    axes.hlines(range(len(bars)), [bar.birth for bar in bars], ends, colors=colours, linewidth=1.4)
    for row, bar in enumerate(bars):
        if bar.death is None:
            axes.plot([top], [row], ">", color=_colour(bar.dimension), markersize=5, clip_on=False)
    axes.set(xlabel="distance", xlim=(0, top), ylim=(-1, len(bars)), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    quiet(axes, grid="x")
