"""When each stage was open, and how much of that it worked."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ....messages.report import RunReport
from ....messages.trace import Span
from ..numbers import duration, percent
from .figure import INK, MUTED, SERIES, WIDTH, Plot, finish, frame, label, label_inches, plot_style, quiet

__all__ = ["draw_timeline"]

MAX_STAGES = 30
HEIGHT = 0.62


def draw_timeline(report: RunReport) -> list[Plot]:
    """A bar per stage; the dark part of its height is the share of its time that it was busy."""
    spans = sorted((s for s in report.spans if s.kind == "stage"), key=lambda s: (s.start_s, s.id))[
        :MAX_STAGES
    ]
    if not spans:
        return []
    busy = {span.id: _busy_share(report, span) for span in spans}
    end = max(span.end_s for span in spans)
    with plot_style():
        figure = Figure(figsize=(WIDTH, 0.8 + 0.3 * len(spans)))
        axes = figure.add_subplot()
        frame(figure, left=label_inches(span.name for span in spans))
        for row, span in enumerate(spans):
            width = max(span.end_s - span.start_s, end * 0.003)
            colour = SERIES[0] if span.status == "ok" else SERIES[1]
            axes.barh(row, width, left=span.start_s, height=HEIGHT, color=colour, alpha=0.22)
            filled = HEIGHT * busy[span.id]
            axes.barh(row + (HEIGHT - filled) / 2, width, left=span.start_s, height=filled, color=colour)
            axes.annotate(
                _share(busy[span.id]),
                (span.end_s, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
                fontsize=8,
            )
        axes.set_yticks(range(len(spans)), [label(span.name) for span in spans], color=INK)
        axes.set(ylim=(len(spans) - 0.4, -0.6), xlim=(0, end * 1.09), xlabel="seconds since the run began")
        axes.spines["left"].set_visible(False)
        quiet(axes, grid="x")
        legend = [Patch(color=SERIES[0], label="busy"), Patch(color=SERIES[0], alpha=0.22, label="waiting")]
        figure.legend(handles=legend, loc="upper left", ncols=2)
        drawn = finish(figure, "timeline")
    caption = (
        "When each stage was open. The dark part of a bar's height, and the figure behind it, is the share of"
        " that time in which the stage worked; the rest it waited for its neighbours."
    )
    words = "; ".join(
        f"{span.name}: {duration(span.start_s)} to {duration(span.end_s)}, busy {_share(busy[span.id])}"
        for span in spans
    )
    return [Plot(drawn, caption, f"Timeline of the stages. {words}.")]


def _share(busy: float) -> str:
    return percent(round(busy, 2))


def _busy_share(report: RunReport, span: Span) -> float:
    """Busy time over open time of the stage that the span stands for, 0 to 1."""
    stage = next((stage for stage in report.stages if stage.stage == span.name), None)
    open_seconds = span.end_s - span.start_s
    if stage is None or open_seconds <= 0:
        return 0.0
    return min(1.0, stage.busy_seconds / open_seconds)
