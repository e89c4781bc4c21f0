"""Facts about spans by their ids, packed: a few bytes a span, where a dict would take a hundred.

The ids of a run come from one counter, so they are dense. A file whose ids are not is refused before it can
ask for memory.
"""

from __future__ import annotations

from array import array
from typing import Any

from ...messages.errors import DatasetError

__all__ = ["Column", "Ids"]

SLACK = 1_000_000


class Ids:
    """Checks ids while spans are read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen = 0

    def check(self, number: int) -> int:
        """The id. Raises DatasetError for one that no counter gave."""
        self._seen += 1
        if not 0 <= number <= SLACK + 4 * self._seen:
            raise DatasetError(f"is not a trace of a run: the span id {number}", source=self._source)
        return number


class Column:
    """A number for each id; ``default`` where none was set."""

    def __init__(self, typecode: str, default: float) -> None:
        self._values: Any = array(typecode)
        self._default = default

    def __setitem__(self, number: int, value: float) -> None:
        values = self._values
        if number >= len(values):
            room = max(number + 1, len(values) + len(values) // 4)
            values.extend(array(values.typecode, [self._default]) * (room - len(values)))
        values[number] = value

    def __getitem__(self, number: int) -> float:
        found: float = self._values[number] if 0 <= number < len(self._values) else self._default
        return found

    def __len__(self) -> int:
        return len(self._values)
