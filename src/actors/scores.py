"""Scores of many examples, eight bytes a figure: what the whole-set stages keep instead of samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

__all__ = ["ClusterIndex", "Columns"]

NAN = math.nan


class ClusterIndex:
    """Numbers the groups of examples in the order in which they appear."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.of_row = array("q")
        self._any = False

    def add(self, group: str | None) -> None:
        """Note the group of the next example; an example without one is a cluster of its own."""
        if group is None:
            self.of_row.append(-1 - len(self.of_row))
        else:
            self._any = True
            self.of_row.append(self._numbers.setdefault(group, len(self._numbers)))

    def clusters(self) -> Sequence[int] | None:
        """Cluster number of each example; None when no example has a group or none shares its group."""
        if not self._any or len(self._numbers) == len(self.of_row):
            return None
        return self.of_row


class Columns:
    """One float column per metric of one system; NaN where a score is undefined. Implements ScoreColumns."""

    def __init__(self, system: str, clusters: ClusterIndex) -> None:
        self._system = system
        self._clusters = clusters
        self._columns: dict[str, array[float]] = {}
        self._methods: dict[str, str] = {}
        self._rows = 0

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
                    self._columns[name] = array("d", [NAN]) * self._rows
        get = scores.get
        for name, column in self._columns.items():
            value = get(name)
            column.append(NAN if value is None else value)
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
        column = self._columns.get(name)
        return array("d", [NAN]) * self._rows if column is None else column

    def clusters(self) -> Sequence[int] | None:
        """Cluster number of each example, None without groups."""
        return self._clusters.clusters()

    def method(self, name: str) -> str:
        """How the metric was computed."""
        return self._methods.get(name, "")
