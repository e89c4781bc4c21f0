"""Plots of a report as inline SVG; matplotlib is imported by the modules below, so import this one late."""

from .draw import draw_plots
from .figure import Plot

__all__ = ["Plot", "draw_plots"]
