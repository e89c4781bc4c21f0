"""One look for all plots, and their way into a page.

The page's style sheet owns the colours: plots are drawn in stand-in colours that become CSS variables, so one
SVG suits light and dark pages. Text stays text. Equal input gives equal bytes: fixed hash salt, no dates.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..text import visible

__all__ = [
    "GRID",
    "INK",
    "MARKERS",
    "MUTED",
    "SERIES",
    "VARIABLES",
    "WIDTH",
    "Drawing",
    "Plot",
    "finish",
    "frame",
    "label",
    "label_inches",
    "plot_style",
    "quiet",
]

WIDTH = 5.6
INK, MUTED, GRID = "#010203", "#010204", "#010205"
SERIES = ("#0102a0", "#0102a1", "#0102a2", "#0102a3", "#0102a4", "#0102a5")
MARKERS = ("o", "s", "D", "^", "v", "P")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line"} | {c: f"--s{i}" for i, c in enumerate(SERIES)}
MAX_LABEL = 28

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "crucible",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "legend.borderaxespad": 0.2,
}


@dataclass(frozen=True)
class Drawing:
    """A drawing for the page, and the figure that ``files`` makes files of."""

    key: str
    svg: str
    """An ``<svg>`` element whose colours and fonts are variables of the page."""
    figure: Figure = field(compare=False, repr=False)


@dataclass(frozen=True)
class Plot:
    """A finished plot: the drawing, what one sees, and the same in words for those who do not see it."""

    drawing: Drawing
    caption: str
    description: str

    @property
    def svg(self) -> str:
        """The element for the page."""
        return self.drawing.svg


@contextmanager
def plot_style() -> Iterator[None]:
    """Matplotlib's defaults with our look, whatever the user's own settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Text stays text: the page's fonts draw it, whatever matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def label(text: str) -> str:
    """A name of unknown origin as a label."""
    shown = " ".join(visible(text).split())
    return shown if len(shown) <= MAX_LABEL else f"{shown[: MAX_LABEL - 1]}…"


def frame(
    figure: Figure,
    *,
    left: float,
    right: float = 0.15,
    top: float = 0.35,
    bottom: float = 0.45,
    wspace: float = 0.2,
    hspace: float = 0.2,
) -> None:
    """Margins in inches. Set by hand: matplotlib's own layout draws everything twice to find them."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=wspace,
        hspace=hspace,
    )


def label_inches(labels: Iterable[str]) -> float:
    """Room for the longest label."""
    return 0.2 + 0.068 * max((len(label(text)) for text in labels), default=0)


def quiet(axes: Axes, *, grid: str = "x") -> None:
    """Light grid on one axis, no tick marks."""
    axes.grid(axis=grid, visible=True)  # type: ignore[arg-type]  # the stub wants a literal
    axes.tick_params(length=0)


def finish(figure: Figure, key: str) -> Drawing:
    """The figure as an ``<svg>`` element with colours and fonts of the page and ids of its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--sans)", svg)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r"url\(#", f"url(#{key}-", svg)
    svg = re.sub(r'href="#', f'href="#{key}-', svg)
    return Drawing(key=key, svg=svg.strip(), figure=figure)
