"""``quarantine.jsonl``: the rows that were set aside, with file, line and reason; only if there are any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from ...messages.findings import Issue
from ...messages.records import BadRow

__all__ = ["QuarantineFile"]


class QuarantineFile:
    """Appends one line for each problem of each row. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "quarantine.jsonl"

    def add_bad_rows(self, rows: Iterable[BadRow]) -> None:
        """Rows that could not be loaded."""
        self.add(
            Issue(
                expectation="loads",
                field=row.field or "",
                problem=row.problem,
                source=row.source,
                line=row.line,
            )
            for row in rows
        )

    def add(self, issues: Iterable[Issue]) -> None:
        """Rows that fail their expectations."""
        lines = b"".join(msgspec.json.encode(issue) + b"\n" for issue in issues)
        if lines:
            with self._path.open("ab") as file:
                file.write(lines)
