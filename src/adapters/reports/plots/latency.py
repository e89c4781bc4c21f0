"""Latency by percentile, with hedging and, estimated, without."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator

from ....messages.report import RunReport
from ..numbers import latency
from ..racing import hedging_figures
from .figure import GRID, INK, MUTED, SERIES, WIDTH, Plot, finish, frame, plot_style, quiet

__all__ = ["draw_latency"]


class _Curve(NamedTuple):
    key: str
    label: str
    colour: str
    dash: Any
    marker: str
    above: bool


ESTIMATED = "without_hedging_estimated"
CURVES = (
    _Curve(ESTIMATED, "without hedging, estimated", SERIES[1], (0, (4, 2)), "s", above=True),
    _Curve("with_hedging", "with hedging", SERIES[0], "-", "o", above=False),
)
TICKS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
MARKED = (0.5, 0.95, 0.99)
SAME = 1.02
"""Where the curves are closer than this, one label does for both."""


def draw_latency(report: RunReport) -> list[Plot]:
    """Both curves over the requests of all systems that sent duplicates."""
    figures = hedging_figures(report)
    if not figures or len(figures.get("latency_curve", {}).get("share", ())) < 2:
        return []
    found = _known(figures)
    places = [_place(share) for share in found["share"]]
    with plot_style():
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.add_subplot()
        frame(figure, left=0.6, top=0.4)
        for curve in CURVES:
            times = [max(value, 1e-6) for value in found[curve.key]]
            axes.plot(
                places[: len(times)], times, color=curve.colour, linestyle=curve.dash, label=curve.label
            )
            _mark(axes, curve, found)
        _scales(axes, places[-1])
        figure.legend(loc="upper left", ncols=2)
        drawn = finish(figure, "latency")
    marked = ", ".join(f"P{100 * share:g}" for share, _ in _at(found, "with_hedging"))
    caption = (
        "The latency (upwards, logarithmic) that this share of the requests stayed below (rightwards), for"
        " the systems that sent duplicates. The slowest tenth has as much room as the rest, the slowest"
        " hundredth again." + (f" Dots: {marked}." if marked else "")
    )
    if len(found[ESTIMATED]) < len(places):
        caption += " The estimate ends where all that were slower were cancelled: there it is higher."
    told = [f"{curve.label}: {_words(found, curve)}" for curve in reversed(CURVES)]
    return [Plot(drawn, caption, f"Latency by percentile. {'; '.join(told)}.")]


def _place(share: float) -> float:
    return -math.log10(1 - share)


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    """The curves; that of the estimate without what is only known to be no lower."""
    found: dict[str, Any] = figures["latency_curve"]
    known = figures.get("latency_curve_known_share", 1.0)
    end = sum(share <= known + 1e-12 for share in found["share"])
    return {**found, ESTIMATED: found[ESTIMATED][:end]}


def _at(found: dict[str, list[float]], key: str) -> list[tuple[float, float]]:
    """The marked shares, as far as the curve goes, and its values there."""
    values = zip(found["share"], found[key], strict=False)
    return [(share, value) for share, value in values if any(math.isclose(share, each) for each in MARKED)]


def _mark(axes: Axes, curve: _Curve, found: dict[str, list[float]]) -> None:
    with_ = dict(_at(found, "with_hedging"))
    for share, value in _at(found, curve.key):
        axes.plot([_place(share)], [value], curve.marker, color=curve.colour, markersize=5)
        if curve.above and value <= SAME * with_[share]:
            continue
        axes.annotate(
            latency(value),
            (_place(share), value),
            xytext=(0, 6 if curve.above else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if curve.above else "top",
            color=curve.colour,
            fontsize=8,
        )


def _scales(axes: Axes, end: float) -> None:
    shown = [share for share in TICKS if _place(share) <= end + 1e-9]
    axes.set_xticks([_place(share) for share in shown], [f"{100 * share:g} %" for share in shown])
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.6, high * 1.6)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 200 else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: latency(value)))
    axes.set(xlim=(0, end * 1.04), xlabel="share of the requests")
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.tick_params(axis="x", labelcolor=INK)
    for share in MARKED:
        if _place(share) <= end + 1e-9:
            axes.axvline(_place(share), color=GRID, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    quiet(axes, grid="y")


def _words(found: dict[str, list[float]], curve: _Curve) -> str:
    return ", ".join(f"P{100 * share:g} {latency(value)}" for share, value in _at(found, curve.key))
