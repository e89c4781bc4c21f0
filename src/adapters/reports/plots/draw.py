"""All plots of a report, by the names that its sections ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ....messages.report import RunReport
from .detectable import draw_detectable
from .dialectic import draw_argument, draw_dialectic
from .distributions import draw_distributions
from .figure import Plot
from .intervals import draw_differences, draw_intervals
from .latency import draw_latency
from .losses import draw_losses
from .persistence import draw_persistence
from .rankings import draw_rankings
from .reliability import draw_reliability
from .slowest import draw_slowest
from .timeline import draw_timeline

__all__ = ["draw_plots"]

DRAWERS: Mapping[str, Callable[[RunReport], list[Plot]]] = {
    "intervals": draw_intervals,
    "differences": draw_differences,
    "rankings": draw_rankings,
    "detectable": draw_detectable,
    "distributions": draw_distributions,
    "losses": draw_losses,
    "persistence": draw_persistence,
    "latency": draw_latency,
    "reliability": draw_reliability,
    "dialectic": draw_dialectic,
    "argument": draw_argument,
    "slowest": draw_slowest,
    "timeline": draw_timeline,
}


def draw_plots(report: RunReport, wanted: set[str]) -> dict[str, list[Plot]]:
    """The wanted plots; a name without data has an empty list."""
    return {name: DRAWERS[name](report) for name in sorted(wanted)}
