"""Plots as files of their own: SVG that draws in any program, and PNG at 300 dots an inch for papers.

The drawings stand in colours that a page replaces by its own; a file has no page, so they get those of the
light one here. Equal reports give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from matplotlib.artist import Artist
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.figure import Figure

from ....messages.report import RunReport
from .draw import DRAWERS
from .figure import VARIABLES, Plot, plot_style

__all__ = ["LIGHT", "plot_files"]

DOTS = 300
LIGHT: Mapping[str, str] = {
    "--ink": "#1d1f24", "--muted": "#5a5e68", "--line": "#d9d6cf", "--s0": "#0b6cb0", "--s1": "#c65300",
    "--s2": "#00805e", "--s3": "#a03c86", "--s4": "#7a6400", "--s5": "#5a5e68",
}  # fmt: skip
"""As in the style sheet of the page."""
FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
COLOURS = {to_rgb(stand_in): to_rgb(LIGHT[name]) for stand_in, name in VARIABLES.items()}
PARTS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def plot_files(report: RunReport, endings: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """``differences.svg`` and the like with their bytes, for every plot that the report has data for."""
    for draw in DRAWERS.values():
        for plot in draw(report):
            if "svg" in endings:
                yield f"{plot.drawing.key}.svg", _svg(plot)
            if "png" in endings:
                yield f"{plot.drawing.key}.png", _png(plot.drawing.figure)


def _svg(plot: Plot) -> bytes:
    """Whole, with the description that readers of the page get."""
    svg = plot.svg.replace("var(--sans)", FONTS)
    for name, colour in LIGHT.items():
        svg = svg.replace(f"var({name})", colour)
    head, body = svg.split(">", 1)
    whole = f"{head}><desc>{escape(plot.description)}</desc>{body}"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{whole}\n'.encode("utf-8", "replace")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with plot_style():
        figure.draw_without_rendering()  # ticks come to be
        for artist in _artists(figure):
            _paint(artist)
        figure.savefig(buffer, format="png", dpi=DOTS, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _artists(figure: Figure) -> Iterator[Artist]:
    for artist in figure.findobj():
        yield artist
        arrow = getattr(artist, "arrow_patch", None)
        if arrow is not None:
            yield arrow
        box = artist.get_bbox_patch() if hasattr(artist, "get_bbox_patch") else None
        if box is not None:
            yield box


def _paint(artist: Any) -> None:
    """Put real colours in the place of stand-ins."""
    for part in PARTS:
        get, put = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
        if get is None or put is None:
            continue
        colours = to_rgba_array(get())
        painted = [(*COLOURS.get(tuple(rgb), rgb), alpha) for *rgb, alpha in colours.tolist()]
        if painted and painted != [tuple(colour) for colour in colours.tolist()]:
            put(painted if len(painted) > 1 else painted[0])
