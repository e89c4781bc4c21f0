"""Columns of long words, such as how a figure came about, as letters with a list of what they stand for.

Called by the builders of tables whose figures say how they were found. Nothing is left out: the list belongs
to the table, and each letter has its text as a hint.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .document import Cell, Table

__all__ = ["lettered"]

SHORT = 12
"""Signs up to which a text stays as it is."""


def lettered(table: Table, heads: Collection[str]) -> Table:
    """The table with the texts of the columns of these heads as letters, unless all of a column are short."""
    letters: dict[str, str] = {}
    columns = [
        index
        for index, head in enumerate(table.heads)
        if head in heads and any(len(row[index].text) > SHORT for row in table.rows)
    ]
    rows = list(table.rows)
    for index in columns:
        rows = [_replaced(row, index, letters) for row in rows]
    return replace(table, rows=tuple(rows), keys=tuple((letter, text) for text, letter in letters.items()))


def _replaced(row: tuple[Cell, ...], index: int, letters: dict[str, str]) -> tuple[Cell, ...]:
    cell = row[index]
    if not cell.text:
        return row
    letter = letters.setdefault(cell.text, _letter(len(letters)))
    return (*row[:index], replace(cell, text=letter, hint=cell.text), *row[index + 1 :])


def _letter(number: int) -> str:
    """A to z, then aa, ab, ..."""
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)
