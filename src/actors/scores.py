"""Scores of many examples in little memory: what the whole-set stages keep instead of samples.

Most scores take few values (0, 1, 1/2, undefined), so a column holds one byte a score until it meets its
256th different value, and eight from then on. Nothing is rounded.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Mapping, Sequence

__all__ = ["ClusterIndex", "Column", "Columns"]

NAN = math.nan
CODES = 256


class Column:
    """A growing column of floats, NaN where undefined."""

    __slots__ = ("_codes", "_numbers", "_plain", "_table")

    def __init__(self, undefined: int = 0) -> None:
        """``undefined``: how many undefined scores it begins with."""
        self._table: list[float] = [NAN]
        self._numbers: dict[float | None, int] = {None: 0}
        self._codes = bytearray(undefined)
        self._plain: array[float] | None = None

    def append(self, value: float | None) -> None:
        """Add a score; None is undefined."""
        code = self._numbers.get(value)
        if code is not None:
            self._codes.append(code)
        elif self._plain is not None:
            self._plain.append(NAN if value is None else value)
        else:
            self._append_new(value)

    def _append_new(self, value: float | None) -> None:
        if value is None or math.isnan(value):
            self._codes.append(0)
        elif len(self._table) < CODES:
            self._numbers[value] = len(self._table)
            self._codes.append(len(self._table))
            self._table.append(float(value))
        else:
            self._plain = self.values()
            self._plain.append(value)
            self._numbers, self._codes, self._table = {}, bytearray(), []

    def __len__(self) -> int:
        return len(self._codes) if self._plain is None else len(self._plain)

    def values(self) -> array[float]:
        """The scores, eight bytes each."""
        if self._plain is not None:
            return self._plain
        table = self._table
        return array("d", (table[code] for code in self._codes))


class ClusterIndex:
    """Groups of examples, as eight bytes of a hash each (BLAKE2b; a chance meeting of two is negligible)."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._ungrouped = 0
        """Examples before the first one with a group; nothing is kept of them until then."""

    def add(self, group: str | None) -> None:
        """Note the group of the next example; an example without one is a cluster of its own."""
        if group is None and not self._hashes:
            self._ungrouped += 1
            return
        if not self._hashes:
            self._hashes.extend(_hash(f"#{number}") for number in range(self._ungrouped))
        self._hashes.append(_hash(f"#{len(self._hashes)}" if group is None else f"={group}"))

    def clusters(self) -> Sequence[int] | None:
        """Number of each example's cluster, in order of appearance; None when no two examples share one."""
        if not self._hashes:
            return None
        numbers: dict[int, int] = {}
        found = array("q", (numbers.setdefault(value, len(numbers)) for value in self._hashes))
        return None if len(numbers) == len(found) else found


def _hash(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Columns:
    """The columns of one system, one per metric. Implements ScoreColumns."""

    def __init__(self, system: str, clusters: ClusterIndex, rows: int = 0) -> None:
        """``rows``: how many examples were seen before this system's first one."""
        self._system = system
        self._clusters = clusters
        self._columns: dict[str, Column] = {}
        self._methods: dict[str, str] = {}
        self._rows = rows

    @property
    def system(self) -> str:
        """Name of the system."""
        return self._system

    @property
    def n(self) -> int:
        """Examples seen."""
        return self._rows

    def add(self, scores: Mapping[str, float | None], methods: Mapping[str, str]) -> None:
        """Add the scores of the next example."""
        if scores.keys() != self._columns.keys():
            for name in scores:
                if name not in self._columns:
                    self._columns[name] = Column(self._rows)
        get = scores.get
        for name, column in self._columns.items():
            column.append(get(name))
        if methods != self._methods:
            self._note(methods)
        self._rows += 1

    def _note(self, methods: Mapping[str, str]) -> None:
        for name, method in methods.items():
            known = self._methods.setdefault(name, method)
            if known != method:
                raise ValueError(f"metric {name} came from two methods, {known} and {method}")

    def names(self) -> Sequence[str]:
        """Metric names in first-seen order."""
        return tuple(self._columns)

    def values(self, name: str) -> Sequence[float]:
        """Column of length n; all NaN for a metric that this system never had."""
        return self._columns.get(name, Column(self._rows)).values()

    def clusters(self) -> Sequence[int] | None:
        """Cluster number of each example, None without groups."""
        return self._clusters.clusters()

    def method(self, name: str) -> str:
        """How the metric was computed."""
        return self._methods.get(name, "")
