"""The slowest requests as bars: each attempt from when it was sent to how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ....messages.records import Attempt
from ....messages.report import RunReport, SlowRequest
from ..numbers import latency
from ..racing import told
from .figure import INK, MUTED, SERIES, WIDTH, Plot, finish, frame, label, label_inches, plot_style, quiet

__all__ = ["draw_slowest"]

MAX_REQUESTS = 10
HEIGHT = 0.36
PALE = 0.3
OWN = ("first", "retry", "backup")


def draw_slowest(report: RunReport) -> list[Plot]:
    """Of each request its own attempts, and a lane for each duplicate below. A full bar gave the answer."""
    shown = [each for each in report.slowest if _attempts(each)][:MAX_REQUESTS]
    if not shown:
        return []
    names = [f"{each.example_id} · {each.system}" for each in shown]
    with plot_style():
        figure = Figure(figsize=(WIDTH, 0.95 + 0.42 * len(shown)))
        axes = figure.add_subplot()
        frame(figure, left=label_inches(names), top=0.4)
        for row, each in enumerate(shown):
            _row(axes, row, each)
        end = max(attempt.ended_s for each in shown for attempt in _attempts(each))
        axes.set_yticks(range(len(shown)), [label(name) for name in names], color=INK)
        axes.set(ylim=(len(shown) - 0.3, -0.6), xlim=(0, max(end, 1e-6) * 1.14))
        axes.set_xlabel("seconds since the first attempt")
        axes.spines["left"].set_visible(False)
        quiet(axes, grid="x")
        legend = [
            Patch(color=SERIES[0], label="own attempt"),
            Patch(color=SERIES[2], label="duplicate"),
            Patch(color=SERIES[1], alpha=PALE, label="failed"),
            Patch(color=MUTED, alpha=PALE, label="pale: not the answer"),
        ]
        figure.legend(handles=legend, loc="upper left", ncols=4, columnspacing=1.2, handlelength=1.2)
        drawn = finish(figure, "slowest")
    caption = "What was sent for each of the slowest requests. The full bar is the attempt that was answered."
    words = "; ".join(f"{name}: {told(each)}" for name, each in zip(names, shown, strict=True))
    return [Plot(drawn, caption, f"Timeline of the slowest requests. {words}")]


def _attempts(request: SlowRequest) -> Sequence[Attempt]:
    return request.race.attempts if request.race is not None else ()


def _row(axes: Axes, row: int, request: SlowRequest) -> None:
    duplicates = [attempt for attempt in _attempts(request) if attempt.kind not in OWN]
    thickness = HEIGHT / max(1, len(duplicates))  # they are under way at the same time
    for attempt in _attempts(request):
        below = attempt in duplicates
        failed = attempt.outcome in ("failed", "timed_out")
        axes.barh(
            row + (thickness * (duplicates.index(attempt) + 0.5) if below else -HEIGHT / 2),
            max(attempt.ended_s - attempt.started_s, 1e-6),
            left=attempt.started_s,
            height=(thickness if below else HEIGHT) * 0.9,
            color=SERIES[1] if failed else SERIES[2] if below else SERIES[0],
            alpha=1.0 if attempt.outcome == "won" else PALE,
        )
    axes.annotate(
        latency(request.latency_s),
        (max(attempt.ended_s for attempt in _attempts(request)), row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=MUTED,
        fontsize=8,
    )
