"""Groups of rows that share a value, directly or through other rows (union-find; Tarjan 1975).

Two claims about the same document must not stand in train and test, and a claim about two documents ties
both documents' rows together. Used while a data set is opened; pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from .hash_index import HashIndex

__all__ = ["Grouping"]


class Grouping:
    """Rows arrive in order; each names the values it shares with others (none: a group of its own)."""

    __slots__ = ("_first_row", "_parent", "_values")

    def __init__(self) -> None:
        self._parent = array("I")
        self._values = HashIndex()
        self._first_row = array("I")

    def add(self, values: Iterable[str]) -> None:
        """Add the next row."""
        row = len(self._parent)
        self._parent.append(row)
        for value in values:
            number = self._values.add(value)
            if number is None:
                self._first_row.append(row)
            else:
                self._union(row, self._first_row[number])

    def roots(self) -> array[int]:
        """For each row the first row of its group. Ends the grouping: add nothing afterwards."""
        for row in range(len(self._parent)):
            self._parent[row] = self._find(row)
        return self._parent

    def _find(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def _union(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        self._parent[max(one, other)] = min(one, other)
