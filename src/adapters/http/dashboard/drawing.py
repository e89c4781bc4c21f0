"""Geometry of the page's drawings: line charts, claim graphs, timelines. Pure; templates turn it into SVG.

Colours and fonts come from the style sheet by class, so that one drawing suits light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "Chart",
    "ClaimGraph",
    "Dot",
    "Dots",
    "Edge",
    "Line",
    "Node",
    "Tick",
    "chart",
    "claim_graph",
    "dots",
    "ticks",
]

WIDTH, HEIGHT = 400.0, 190.0
DOTS_WIDTH = 640.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 10.0, 26.0
MOST_LINES = 6
NODE_WIDTH, NODE_HEIGHT, GAP_X, GAP_Y = 206.0, 30.0, 24.0, 46.0
MOST_NODES = 40
PER_ROW = 4


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One series: a class for its colour, a path, its last point, and words for it."""

    name: str
    css: str
    path: str
    last: tuple[float, float]
    value: float


@dataclass(frozen=True)
class Chart:
    """A line chart in a box of ``width`` x ``height``."""

    width: float
    height: float
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    description: str
    left_out: int = 0


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``count`` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1.0, 2.0, 2.5, 5.0, 10.0) if f * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    bounds: tuple[float, float] | None = None,
) -> Chart | None:
    """A chart of the first six series that have a point; None without any. ``bounds`` fix the y axis."""
    drawn = {
        name: finite
        for name, points in series.items()
        if (finite := [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)])
    }
    if not drawn:
        return None
    left_out = max(0, len(drawn) - MOST_LINES)
    drawn = dict(list(drawn.items())[:MOST_LINES])
    xs = [x for points in drawn.values() for x, _ in points]
    ys = [y for points in drawn.values() for _, y in points]
    low_x, high_x = min(xs), max(xs)
    low_y, high_y = bounds or _padded(min(ys), max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = 0.5 if high_x == low_x else (x - low_x) / (high_x - low_x)
        up = 0.5 if high_y == low_y else (min(high_y, max(low_y, y)) - low_y) / (high_y - low_y)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    lines = []
    for number, (name, points) in enumerate(drawn.items()):
        places = [place(x, y) for x, y in points]
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in places)
        lines.append(Line(name, f"s{number}", path, places[-1], points[-1][1]))
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        lines=tuple(lines),
        x_ticks=tuple(Tick(place(x, low_y)[0], f"{x:,g}") for x in ticks(low_x, high_x)),
        y_ticks=tuple(Tick(place(low_x, y)[1], f"{y:g}") for y in ticks(low_y, high_y)),
        x_label=x_label,
        description="; ".join(f"{line.name}: last {line.value:.4g}" for line in lines),
        left_out=left_out,
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return low - room, high + room


@dataclass(frozen=True)
class Dot:
    """An estimate with its interval, in pixels."""

    label: str
    tone: str
    x: float
    low: float
    high: float
    y: float
    text: str


@dataclass(frozen=True)
class Dots:
    """Estimates below each other on one scale, with a line at zero."""

    width: float
    height: float
    zero: float
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]


def dots(rows: Sequence[tuple[str, str, float, float, float]]) -> Dots | None:
    """Rows of label, tone, value, low and high; None without any."""
    if not rows:
        return None
    left, row = 210.0, 26.0
    low = min(0.0, *(each[3] for each in rows))
    high = max(0.0, *(each[4] for each in rows))
    low, high = _padded(low, high)

    def place(value: float) -> float:
        return round(left + (value - low) / (high - low) * (DOTS_WIDTH - left - RIGHT), 1)

    return Dots(
        width=DOTS_WIDTH,
        height=len(rows) * row + 30.0,
        zero=place(0.0),
        dots=tuple(
            Dot(label, tone, place(value), place(down), place(up), 14.0 + number * row, f"{value:+.3f}")
            for number, (label, tone, value, down, up) in enumerate(rows)
        ),
        ticks=tuple(Tick(place(at), f"{at:g}") for at in ticks(low, high)),
    )


@dataclass(frozen=True)
class Node:
    """A claim: where its box stands."""

    id: str
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Edge:
    """A relation, from box to box."""

    kind: str
    path: str
    title: str


@dataclass(frozen=True)
class ClaimGraph:
    """Claims in rows by their distance from what they speak about."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int = 0
    node_width: float = NODE_WIDTH
    node_height: float = NODE_HEIGHT


def claim_graph(
    claims: Sequence[tuple[str, str]], relations: Sequence[tuple[str, str, str]]
) -> ClaimGraph | None:
    """Lay out claims (id, text) with relations (source, label, target); None without a claim.

    The row of a claim is its distance to the claims that relate to nothing further; cycles end where they
    began. Relations to claims that are not there are not drawn.
    """
    texts = dict(claims[:MOST_NODES])
    if not texts:
        return None
    edges = [(s, label, t) for s, label, t in relations if s in texts and t in texts]
    depth = _depths(list(texts), edges)
    rows: list[list[str]] = []
    for level in range(max(depth.values()) + 1):
        members = [name for name in texts if depth[name] == level]
        rows += [members[i : i + PER_ROW] for i in range(0, len(members), PER_ROW)]
    widest = max(len(row) for row in rows)
    width = widest * NODE_WIDTH + (widest + 1) * GAP_X
    places: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        taken = len(row) * NODE_WIDTH + (len(row) - 1) * GAP_X
        for place, name in enumerate(row):
            x = (width - taken) / 2 + place * (NODE_WIDTH + GAP_X)
            places[name] = (round(x, 1), round(GAP_X + number * (NODE_HEIGHT + GAP_Y), 1))
    return ClaimGraph(
        width=width,
        height=2 * GAP_X + len(rows) * NODE_HEIGHT + (len(rows) - 1) * GAP_Y,
        nodes=tuple(Node(name, *places[name], texts[name]) for name in texts),
        edges=tuple(
            Edge(label, _arrow(places[source], places[target]), f"{source} {label} {target}")
            for source, label, target in edges
        ),
        left_out=max(0, len(claims) - MOST_NODES),
    )


def _depths(names: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Steps from the claims that others speak about, breadth first."""
    sources: dict[str, list[str]] = {name: [] for name in names}
    speaks = set()
    for source, _, target in edges:
        if source != target:
            sources[target].append(source)
            speaks.add(source)
    waiting = [name for name in names if name not in speaks] or [names[0]]
    depth = dict.fromkeys(waiting, 0)
    while waiting:
        following = []
        for target in waiting:
            for source in sources[target]:
                if source not in depth:
                    depth[source] = depth[target] + 1
                    following.append(source)
        waiting = following
    return {name: depth.get(name, 0) for name in names}


def _arrow(source: tuple[float, float], target: tuple[float, float]) -> str:
    half = NODE_WIDTH / 2
    (sx, sy), (tx, ty) = source, target
    if sy > ty:  # upwards, from the top of the source to the bottom of the target
        start, end = (sx + half, sy), (tx + half, ty + NODE_HEIGHT)
        bend = (start[1] + end[1]) / 2
    elif sy < ty:
        start, end = (sx + half, sy + NODE_HEIGHT), (tx + half, ty)
        bend = (start[1] + end[1]) / 2
    else:  # in one row, or to itself: below the boxes
        start, end = (sx + half, sy + NODE_HEIGHT), (tx + half + (12 if sx == tx else 0), ty + NODE_HEIGHT)
        bend = sy + NODE_HEIGHT + GAP_Y * 0.7
    return f"M{start[0]:g} {start[1]:g}C{start[0]:g} {bend:g} {end[0]:g} {bend:g} {end[0]:g} {end[1]:g}"
