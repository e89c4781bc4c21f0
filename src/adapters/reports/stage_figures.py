"""JSON-ready figures of a stage, of whatever shape, as a table of names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from .document import Cell, Table
from .numbers import NONE, count, figure
from .text import clip

__all__ = ["figure_table", "system_table"]

MAX_ROWS = 60
MAX_TEXT = 300
MAX_ITEMS = 12
MAX_NUMBER = 16


def figure_table(caption: str, figures: Mapping[str, Any]) -> Table:
    """Nested names are joined by a dot; long lists and texts are cut, with a word on how much is missing."""
    pairs = list(islice(_flatten("", figures), MAX_ROWS + 1))
    note = ""
    if len(pairs) > MAX_ROWS:
        pairs.pop()
        note = f"Only the first {MAX_ROWS} figures are shown; report.json has them all."
    rows = tuple((Cell(clip(name, MAX_TEXT)), Cell(clip(text, MAX_TEXT))) for name, text in pairs)
    return Table(caption=caption, heads=("figure", "value"), rows=rows, note=note)


def system_table(caption: str, figures: Mapping[str, Any], systems: Sequence[str]) -> Table:
    """Figures that are keyed by system side by side, one row per figure; other shapes as ``figure_table``."""
    known = [name for name in systems if name in figures]
    if set(known) != set(figures) or not all(isinstance(figures[name], Mapping) for name in known):
        return figure_table(caption, figures)
    columns = {name: dict(_flatten("", figures[name])) for name in known}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = tuple(
        (
            Cell(clip(name, MAX_TEXT)),
            *(Cell(clip(columns[system].get(name, NONE), MAX_TEXT)) for system in known),
        )
        for name in names[:MAX_ROWS]
    )
    more = len(names) > MAX_ROWS
    note = f"Only the first {MAX_ROWS} figures are shown; report.json has them all." if more else ""
    numeric = frozenset(range(1, len(known) + 1)) if _short(rows) else frozenset()
    return Table(caption=caption, heads=("figure", *known), rows=rows, numeric=numeric, note=note)


def _short(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether every value is as short as a number, so that the columns may align right."""
    return all(len(cell.text) <= MAX_NUMBER for row in rows for cell in row[1:])


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flatten(f"{prefix}.{name}" if prefix else str(name), item)
    else:
        yield prefix, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, list | tuple):
        shown = "; ".join(_item(item) for item in value[:MAX_ITEMS])
        return shown + (f"; … {len(value) - MAX_ITEMS} more" if len(value) > MAX_ITEMS else "") or NONE
    return str(value)


def _item(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return _text(value)
