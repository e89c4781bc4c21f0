"""Systems on a scale of strength, with intervals: the ranking as a picture."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.findings import Ranking
from ....messages.report import RunReport
from ..numbers import figure as number
from ..numbers import interval_text, percent
from .figure import MUTED, SERIES, WIDTH, Plot, finish, frame, label, label_inches, plot_style, quiet

__all__ = ["draw_rankings"]

MAX_RANKINGS = 4
ROW_INCHES = 0.3


def draw_rankings(report: RunReport) -> list[Plot]:
    """One panel for each metric that ranks three or more systems."""
    found = [ranking for stage in report.stages for ranking in stage.rankings if _drawable(ranking)]
    if not found:
        return []
    more = len(found) - MAX_RANKINGS
    found = found[:MAX_RANKINGS]
    with plot_style():
        heights = [len(ranking.systems) + 1.2 for ranking in found]
        figure = Figure(figsize=(WIDTH, 0.6 + ROW_INCHES * sum(heights)))
        frame(
            figure,
            left=label_inches(each.system for ranking in found for each in ranking.systems),
            top=0.3,
            hspace=0.7,
        )
        grid = figure.add_gridspec(len(found), 1, height_ratios=heights)
        for place, ranking in enumerate(found):
            _panel(figure.add_subplot(grid[place]), ranking)
        figure.axes[-1].set_xlabel("log strength")
        drawn = finish(figure, "rankings")
    level = percent(next(each.interval.level for r in found for each in r.systems if each.interval))
    caption = (
        f"Strength of each system with its {level} interval. One that is 0.7 ahead is better on two of three"
        " examples. Filled: it beats every other one significantly."
    )
    if more > 0:
        caption += f" {more} more metrics are in the table only."
    return [Plot(drawn, caption, f"Dot plot of rankings. {'; '.join(_words(each) for each in found)}.")]


def _drawable(ranking: Ranking) -> bool:
    return any(each.strength is not None and each.interval is not None for each in ranking.systems)


def _words(ranking: Ranking) -> str:
    systems = ", ".join(
        f"{each.system} {number(each.strength)} ({interval_text(each.interval)})" for each in ranking.systems
    )
    return f"{ranking.metric}: {systems}"


def _panel(axes: Axes, ranking: Ranking) -> None:
    for row, each in enumerate(ranking.systems):
        if each.strength is None:  # infinite: it won or lost everything
            axes.text(0, row, "won or lost every example", color=MUTED, va="center", ha="center")
            continue
        best = each.system == ranking.best
        if each.interval is not None:
            axes.plot([each.interval.low, each.interval.high], [row, row], color=SERIES[0])
        face = SERIES[0] if best else "none"
        axes.plot([each.strength], [row], "o", color=SERIES[0], markersize=5.5, markerfacecolor=face)
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
    axes.set_yticks(range(len(ranking.systems)), [label(each.system) for each in ranking.systems])
    axes.set_ylim(len(ranking.systems) - 0.4, -0.6)
    axes.set_title(label(ranking.metric))
    axes.spines["left"].set_visible(False)
    quiet(axes, grid="x")
