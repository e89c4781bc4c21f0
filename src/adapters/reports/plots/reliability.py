"""Reliability diagram: how often answers of a confidence were right, before and after calibration."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.report import RunReport
from ...statistics.intervals import wilson_interval
from ..numbers import figure as number
from ..numbers import percent
from ..voting import vote_figures
from .figure import MUTED, SERIES, WIDTH, Plot, finish, frame, plot_style, quiet

__all__ = ["draw_reliability"]

LEVEL = 0.95
PANELS = (("before", "as given"), ("after", "calibrated"))


def draw_reliability(report: RunReport) -> list[Plot]:
    """One panel as given, one calibrated if that was learned."""
    figures = vote_figures(report)
    found = figures["calibration"] if figures else None
    if not found or not found["judged"]:
        return []
    panels = [(name, found[key]) for key, name in PANELS if found[key] is not None]
    with plot_style():
        figure = Figure(figsize=(WIDTH, 3.1))
        frame(figure, left=0.55, wspace=0.12)
        for place, (name, told) in enumerate(panels):
            axes = figure.add_subplot(1, len(PANELS), place + 1)
            _panel(axes, f"{name}, expected error {number(told['error'])}", told["bins"])
            if place == 0:
                axes.set_ylabel("share that was right")
            else:
                axes.tick_params(labelleft=False)
        drawn = finish(figure, "reliability")
    caption = (
        "How often what had a confidence (rightwards) was right (upwards). Below the diagonal it was too"
        " sure, above it not sure enough. The larger a dot, the more it stands for;"
        f" lines are {percent(LEVEL)} intervals."
    )
    words = "; ".join(f"{name}: {_words(told['bins'])}" for name, told in panels)
    return [Plot(drawn, caption, f"Reliability diagram. {words}.")]


def _words(bins: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"confidence {number(each['confidence'])}, right {number(each['accuracy'])} of {each['count']}"
        for each in bins
        if each["count"]
    )


def _panel(axes: Axes, title: str, bins: list[dict[str, Any]]) -> None:
    full = [each for each in bins if each["count"]]
    total = sum(each["count"] for each in full)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    for each in full:
        where = [each["confidence"]]
        interval = wilson_interval(round(each["accuracy"] * each["count"]), each["count"], LEVEL)
        axes.plot(where * 2, [interval.low, interval.high], color=SERIES[0], linewidth=1.2, clip_on=False)
        size = 14 + 160 * each["count"] / total
        axes.scatter(
            where, [each["accuracy"]], s=size, color=SERIES[0], linewidths=0, clip_on=False, zorder=3
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=title)
    axes.set_aspect("equal")
    axes.tick_params(labelcolor=MUTED)
    axes.locator_params(nbins=5)
    quiet(axes, grid="both")
