"""A data set as an index over a source of rows: 13 to 21 bytes a row, whatever the rows weigh.

``open_indexed`` scans the source once, checks every row, deals the splits and keeps for each good row only
where it starts, its line, its split and the first row of its group; ``read`` fetches rows again by place.
Every loader of this package is a ``RowSource`` under this one index.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from ...messages.errors import DatasetError, UnknownNameError
from ...messages.experiment import DatasetRef
from ...messages.records import BadRow, Example
from ...messages.report import DatasetFacts
from .grouping import Grouping
from .hash_index import HashIndex
from .options import RowOptions
from .rows import ParsedRow, RowError, RowParser, SplitName
from .splits import SPLITS, deal_groups

__all__ = ["MAX_BAD_ROWS_KEPT", "IndexedDataset", "RowSource", "ScannedRow", "open_indexed"]

MAX_BAD_ROWS_KEPT = 1000
_SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test", "all")
_ALL = _SPLIT_NAMES.index("all")
_GROUP_NAMES_KEPT = 4096


class ScannedRow(msgspec.Struct, frozen=True, gc=False):
    """What a source finds at one place: a row, or the problem with it."""

    place: int
    """Where ``RowSource.row_at`` finds it again."""
    line: int
    row: dict[str, Any] | None
    problem: RowError | None = None


class RowSource(Protocol):
    """Decoded rows in order, each of which can be fetched again by its place."""

    @property
    def name(self) -> str:
        """What messages call it, normally its path."""
        ...

    @property
    def sources(self) -> tuple[str, ...]:
        """All files it reads."""
        ...

    def scan(self) -> Iterator[ScannedRow]:
        """All rows, once. ``row_at`` may be called meanwhile."""
        ...

    def row_at(self, place: int) -> dict[str, Any]:
        """The row at ``place``. Raises RowError when it is no row any more."""
        ...

    def check_unchanged(self) -> None:
        """Raise DatasetError if the content is not what was scanned."""
        ...

    def sha256(self) -> str:
        """Of all bytes of the content; called after ``scan``."""
        ...

    def close(self) -> None:
        """Release files. Idempotent."""
        ...


class IndexedDataset:
    """Implements ``ports.Dataset`` over a scanned source."""

    def __init__(self, source: RowSource, parser: RowParser, scan: _Scan, facts: DatasetFacts) -> None:
        self._source = source
        self._parser = parser
        self._places, self._lines = scan.places, scan.lines
        self._splits, self._clusters = scan.splits, scan.clusters
        self._cluster_by = scan.options.cluster_by
        self._bad_rows = tuple(scan.bad_rows)
        self._facts = facts
        self._group_names: dict[int, str] = {}

    @property
    def facts(self) -> DatasetFacts:
        """Name, hash, row and split counts."""
        return self._facts

    @property
    def bad_rows(self) -> Sequence[BadRow]:
        """The first 1,000 bad rows, in file order."""
        return self._bad_rows

    def __len__(self) -> int:
        """Number of good rows."""
        return len(self._places)

    def read(self, start: int, stop: int) -> list[Example]:
        """Good rows ``start`` to ``stop``. Raises DatasetError when the file was changed meanwhile."""
        self._source.check_unchanged()
        return [self._example(index) for index in range(max(start, 0), min(stop, len(self)))]

    def close(self) -> None:
        """Release files. Idempotent."""
        self._source.close()

    def _example(self, index: int) -> Example:
        line = self._lines[index]
        row, parsed = self._row(index)
        return Example(
            id=parsed.id,
            input=parsed.input,
            reference=parsed.reference,
            alternatives=parsed.alternatives,
            split=_SPLIT_NAMES[self._splits[index]],
            group=self._group(index, row, parsed),
            fields=self._parser.other_fields(row),
            source=self._source.name,
            line=line,
        )

    def _row(self, index: int) -> tuple[dict[str, Any], ParsedRow]:
        line = self._lines[index]
        try:
            row = self._source.row_at(self._places[index])
            return row, self._parser.parse(row, line)
        except RowError as error:
            problem = f"no longer what it was when the run began: {error.problem}"
            raise DatasetError(problem, source=self._source.name, line=line, field=error.field) from None

    def _group(self, index: int, row: dict[str, Any], parsed: ParsedRow) -> str | None:
        """The first value of the first row of the group; that row's id when it has no value."""
        if self._clusters is None or self._cluster_by is None:
            return None
        root = self._clusters[index]
        name = self._group_names.get(root)
        if name is None:
            if root != index:
                row, parsed = self._row(root)
            name = next(iter(self._parser.group_values(row, self._cluster_by)), parsed.id)
            if len(self._group_names) >= _GROUP_NAMES_KEPT:
                self._group_names.clear()
            self._group_names[root] = name
        return name


class _Scan:
    """The index while it is being built."""

    def __init__(self, source: RowSource, parser: RowParser, options: RowOptions) -> None:
        self.source, self.parser, self.options = source, parser, options
        self.places, self.lines, self.splits = array("Q"), array("I"), bytearray()
        self.clusters: array[int] | None = None
        self.bad_rows: list[BadRow] = []
        self.bad_count = 0
        self.seen = 0
        self.units = ""
        self._ids = HashIndex()
        self._grouping = {
            key: Grouping() for key in (options.cluster_by, options.split_group_by) if key is not None
        }

    def run(self, seed: int) -> None:
        for scanned in self.source.scan():
            self.seen += 1
            try:
                self._take(scanned)
            except RowError as error:
                self._refuse(scanned.line, error)
            if len(self.places) == self.options.limit:
                break
        self._ids = HashIndex()  # done with: dealing needs the room
        self._deal(seed)

    def _take(self, scanned: ScannedRow) -> None:
        if scanned.row is None:
            raise scanned.problem or RowError("no row")
        parsed = self.parser.parse(scanned.row, scanned.line)
        groups = {key: self.parser.group_values(scanned.row, key) for key in self._grouping}
        self._check_new(parsed)
        for key, values in groups.items():
            self._grouping[key].add(values)
        self.places.append(scanned.place)
        self.lines.append(scanned.line)
        self.splits.append(_SPLIT_NAMES.index(parsed.split) if parsed.split else _ALL)

    def _check_new(self, parsed: ParsedRow) -> None:
        earlier = self._ids.add(parsed.id)
        if earlier is None:
            return
        line = self.lines[earlier]
        if self.parser.parse(self.source.row_at(self.places[earlier]), line).id == parsed.id:
            raise RowError(f"{parsed.id!r} is already the id of line {line}", self.options.id_key)

    def _refuse(self, line: int, error: RowError) -> None:
        self.bad_count += 1
        if len(self.bad_rows) < MAX_BAD_ROWS_KEPT:
            self.bad_rows.append(BadRow(self.source.name, line, error.field, error.problem))

    def _deal(self, seed: int) -> None:
        options, n = self.options, len(self.places)
        roots = {key: self._grouping.pop(key).roots() for key in list(self._grouping)}
        if options.cluster_by is not None:
            self.clusters = roots[options.cluster_by]
        if options.split is not None:
            by = options.split.group_by
            units: Sequence[int] = roots[by] if by is not None else range(n)
            if by is not None:
                self.units = f" in {sum(root == row for row, root in enumerate(units)):,} groups"
            own_seed = options.split.seed
            self.splits = deal_groups(units, options.split.shares(), seed if own_seed is None else own_seed)


def open_indexed(source: RowSource, ref: DatasetRef, options: RowOptions, *, seed: int) -> IndexedDataset:
    """Scan ``source`` and index it. Closes it again and raises DatasetError when it cannot be used."""
    parser = RowParser(options, name=ref.name)
    scan = _Scan(source, parser, options)
    try:
        scan.run(seed)
        _check_usable(scan)
        counts = {name: scan.splits.count(number) for number, name in enumerate(_SPLIT_NAMES)}
        splits: dict[str, int] = {name: count for name, count in counts.items() if count}
        _check_split(scan, splits, ref.split)
        facts = DatasetFacts(
            name=ref.name,
            provider=ref.provider,
            sha256=source.sha256(),
            rows=len(scan.places),
            bad_rows=scan.bad_count,
            splits=splits,
            sources=source.sources,
        )
    except BaseException:
        source.close()
        raise
    return IndexedDataset(source, parser, scan, facts)


def _check_usable(scan: _Scan) -> None:
    bad = scan.bad_count
    if scan.places and bad <= scan.options.max_bad_rows:
        return
    if not bad:
        raise DatasetError("no rows", source=scan.source.name)
    first, more = scan.bad_rows[0], ""
    if not scan.places and bad > 1:
        more = f" (none of {bad:,} rows can be used)"
    elif bad > 1:
        more = f" (and {bad - 1:,} more bad row{'s' if bad > 2 else ''})"
    raise DatasetError(first.problem + more, source=first.source, line=first.line, field=first.field)


def _check_split(scan: _Scan, splits: dict[str, int], wanted: str) -> None:
    """Every split that is asked for has rows; rows of split "all" belong to each."""
    options, n = scan.options, len(scan.places)
    if wanted not in _SPLIT_NAMES:
        raise UnknownNameError("split", wanted, _SPLIT_NAMES)
    needed: set[str] = set() if wanted == "all" else {wanted}
    if options.split is not None:
        needed |= {name for name, share in zip(SPLITS, options.split.shares(), strict=True) if share}
    missing = [name for name in SPLITS if name in needed and name not in splits]
    if not missing or (options.split is None and "all" in splits):
        return
    counts = ", ".join(f"{name} {count}" for name, count in splits.items())
    raise DatasetError(
        f"split {missing[0]!r} has no rows: {n:,} rows{scan.units} were dealt as {counts}",
        source=scan.source.name,
    )
