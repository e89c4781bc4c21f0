"""All plots of a report, by the names that its sections ask for."""

from __future__ import annotations

from ....messages.report import RunReport
from .figure import Plot

__all__ = ["draw_plots"]


def draw_plots(report: RunReport, wanted: set[str]) -> dict[str, list[Plot]]:
    """The wanted plots; a name without data has no entry."""
    return {}
