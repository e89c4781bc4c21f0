"""Loss over training: every step lightly, every held-out evaluation clearly."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.flow import LossPoint
from ....messages.report import RunReport
from ..numbers import figure as number
from .figure import SERIES, WIDTH, Plot, finish, frame, plot_style, quiet

__all__ = ["draw_losses"]

MAX_POINTS = 1500


def draw_losses(report: RunReport) -> list[Plot]:
    """Training and held-out loss by epoch."""
    points = [point for stage in report.stages for point in stage.losses]
    train = _thin([point for point in points if point.split == "train"])
    held_out = [point for point in points if point.split == "validation"]
    if not points:
        return []
    with plot_style():
        figure = Figure(figsize=(WIDTH, 2.9))
        axes = figure.add_subplot()
        frame(figure, left=0.6)
        _line(axes, train, color=SERIES[5], linewidth=0.9, alpha=0.65, label="training, each step")
        _line(axes, held_out, color=SERIES[0], marker="o", markersize=5, linewidth=1.8, label="held out")
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean loss")
        axes.spines["left"].set_visible(False)
        quiet(axes, grid="y")
        figure.legend(loc="upper left", ncols=2)
        drawn = finish(figure, "losses")
    caption = (
        "Loss by epoch; lower is better. A held-out curve that turns up while training goes down overfits."
    )
    words = "; ".join(f"epoch {point.epoch:g}: {number(point.loss)}" for point in held_out[:40])
    first_last = f"Training loss from {number(train[0].loss)} to {number(train[-1].loss)}. " if train else ""
    described = f"Held-out loss: {words}." if held_out else "There is no held-out loss."
    return [Plot(drawn, caption, f"Line plot of loss by epoch. {first_last}{described}")]


def _thin(points: list[LossPoint]) -> list[LossPoint]:
    """At most MAX_POINTS points, evenly spaced, the last one kept."""
    if len(points) <= MAX_POINTS:
        return points
    stride = -(-len(points) // (MAX_POINTS - 1))
    return [*points[:-1:stride], points[-1]]


def _line(axes: Axes, points: list[LossPoint], **look: Any) -> None:
    if points:
        axes.plot([point.epoch for point in points], [point.loss for point in points], **look)
