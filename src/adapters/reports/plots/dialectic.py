"""Two plots of the dialectic: the critics' score by round, and one argument as boxes and arrows."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....messages.claims import Sno
from ....messages.records import DialecticRound
from ....messages.report import RunReport
from ..dialectic import dialectic_figures, shown_dialectics
from ..numbers import count, percent
from ..numbers import figure as number
from ..text import visible
from .figure import INK, MUTED, SERIES, WIDTH, Plot, finish, frame, label, plot_style, quiet

__all__ = ["draw_argument", "draw_dialectic"]

MAX_ROUNDS = 2
"""Rounds that are drawn of one argument."""
MAX_CLAIM, MAX_OBJECTION, MAX_CHALLENGES = 150, 90, 3
COLUMN = 52
"""Characters of a line in a box."""
LINE, PAD, GAP = 0.155, 0.10, 0.24
"""Inches."""


def draw_dialectic(report: RunReport) -> list[Plot]:
    """Mean score after each round, with its interval."""
    figures = dialectic_figures(report)
    if figures is None:
        return []
    rounds = [each for each in figures["by_round"] if each["score"] is not None]
    if len(rounds) < 2:
        return []
    with plot_style():
        drawing = Figure(figsize=(WIDTH, 2.7))
        axes = drawing.add_subplot()
        frame(drawing, left=0.65, bottom=0.62)
        where = [each["round"] for each in rounds]
        axes.plot(where, [each["score"] for each in rounds], color=SERIES[0], marker="o", markersize=5)
        for each in rounds:
            if each["low"] is not None:
                axes.plot([each["round"]] * 2, [each["low"], each["high"]], color=SERIES[0], linewidth=1.2)
        axes.set_xticks(where, [_tick(each) for each in rounds])
        axes.set_xlim(-0.4, where[-1] + 0.4)
        axes.set_ylabel("critics' score")
        axes.spines["left"].set_visible(False)
        quiet(axes, grid="y")
        drawn = finish(drawing, "dialectic")
    level = next((each["level"] for each in rounds if each["level"] is not None), None)
    lines = f"; lines are {percent(level)} intervals" if level is not None else ""
    caption = (
        "Mean score that the critics give after each round, over all examples: one that has ended keeps its"
        f" last score. Below, how many got there{lines}."
    )
    words = "; ".join(f"{_name(each)}: {number(each['score'])}" for each in rounds)
    return [Plot(drawn, caption, f"Line plot of the critics' score by round. {words}.")]


def _name(found: Mapping[str, Any]) -> str:
    return "thesis" if found["round"] == 0 else f"round {found['round']}"


def _tick(found: Mapping[str, Any]) -> str:
    return f"{_name(found)}\n{count(found['reached'])}"


class _Box(NamedTuple):
    title: str
    lines: tuple[str, ...]
    right: bool
    colour: str

    @property
    def height(self) -> float:
        return PAD * 2 + LINE * (1 + len(self.lines))


def draw_argument(report: RunReport) -> list[Plot]:
    """The argument that moved the score most: theses at the left, what speaks against them at the right."""
    figures = dialectic_figures(report)
    shown = shown_dialectics(figures) if figures is not None else []
    argued = [each for each in shown if any(r.challenges or r.antithesis for r in each.dialectic.rounds)]
    if not argued:
        return []
    chosen = argued[0]
    record = chosen.dialectic
    boxes = [_box("thesis", record.thesis, record.assessment.score, right=False, colour=SERIES[0])]
    for each in record.rounds[:MAX_ROUNDS]:
        boxes += _round_boxes(each)
    with plot_style():
        height = sum(box.height for box in boxes) + GAP * (len(boxes) - 1) + 0.2
        drawing = Figure(figsize=(WIDTH, height))
        axes = drawing.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        _draw(axes, boxes)
        drawn = finish(drawing, "argument")
    left_out = len(record.rounds) - MAX_ROUNDS
    more = f" {left_out} more rounds are not drawn." if left_out > 0 else ""
    caption = (
        f"The argument over {label(chosen.example_id)}, whose score moved most: what was claimed at the left,"
        f" what was held against it at the right. Long texts are cut; the whole of it is below.{more}"
    )
    words = " Then ".join(f"{box.title}: {' '.join(box.lines)}." for box in boxes)
    return [Plot(drawn, caption, f"Boxes joined by arrows. {words}")]


def _round_boxes(found: DialecticRound) -> list[_Box]:
    boxes = []
    if found.challenges:
        lines = [
            line
            for each in found.challenges[:MAX_CHALLENGES]
            for line in _wrapped(f"· {each.type.replace('_', ' ')}: {_cut(each.description, MAX_OBJECTION)}")
        ]
        cut = len(found.challenges) - MAX_CHALLENGES
        lines += [f"… {cut} more"] if cut > 0 else []
        title = f"challenges of round {found.number}, {found.challenges[0].method}"
        boxes.append(_Box(_cut(title, COLUMN), tuple(lines), right=True, colour=SERIES[1]))
    if found.antithesis is not None:
        boxes.append(_box("antithesis", found.antithesis, None, right=True, colour=SERIES[1]))
    if found.synthesis is not None:
        score = found.assessment.score if found.assessment is not None else None
        title = f"synthesis {found.number}"
        boxes.append(_box(title, found.synthesis, score, right=False, colour=SERIES[2]))
    return boxes


def _box(title: str, sno: Sno, score: float | None, *, right: bool, colour: str) -> _Box:
    method = sno.provenance.method if sno.provenance is not None else ""
    told = ", ".join(part for part in (title, method, "" if score is None else number(score)) if part)
    parts = f"{len(sno.children)} part{'' if len(sno.children) == 1 else 's'}"
    lines = (*_wrapped(_cut(sno.claim, MAX_CLAIM)), f"{parts}, confidence {number(sno.confidence)}")
    return _Box(_cut(told, COLUMN), lines, right=right, colour=colour)


def _cut(text: str, limit: int) -> str:
    shown = " ".join(visible(text).split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _wrapped(text: str) -> list[str]:
    """Lines that stay in the box, also for a text without a blank."""
    return textwrap.wrap(text, COLUMN) or [""]


def _draw(axes: Axes, boxes: Sequence[_Box]) -> None:
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    wide = WIDTH * 0.62
    top, ends = 0.1, list[tuple[float, float, float]]()
    for box in boxes:
        left = WIDTH - wide - 0.08 if box.right else 0.08
        shape = FancyBboxPatch(
            (left, top), wide, box.height, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="none", edgecolor=box.colour, linewidth=1.2,
        )  # fmt: skip
        axes.add_patch(shape)
        axes.text(left + PAD, top + PAD, box.title, color=MUTED, fontsize=8, va="top")
        for place, line in enumerate(box.lines, start=1):
            axes.text(left + PAD, top + PAD + LINE * place, line, color=INK, fontsize=8, va="top")
        ends.append((left + wide / 2, top, top + box.height))
        top += box.height + GAP
    for (from_x, _, bottom), (to_x, upper, _) in itertools.pairwise(ends):
        arrow = FancyArrowPatch(
            (from_x, bottom), (to_x, upper), arrowstyle="-|>", mutation_scale=9, color=MUTED, linewidth=1.0,
            shrinkA=1, shrinkB=1,
        )  # fmt: skip
        axes.add_patch(arrow)
