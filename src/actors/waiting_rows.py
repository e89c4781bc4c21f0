"""Rows that wait in a file until all have passed the checks, and who wants which of them by split.

Called by ``backend_call`` for sampling, training and the weights of an ensemble.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ..messages.flow import Sample
from ..messages.records import Example
from .spool import Spool
from .training_loop import Rows

__all__ = ["WaitingRows", "is_asked"]

READ_CHUNK = 64


def is_asked(example: Example, evaluate: str) -> bool:
    """Whether a row is in the split that is asked; rows without a split are in all of them."""
    return evaluate in ("all", example.split) or example.split == "all"


class WaitingRows:
    """A spool and the numbers of its rows by split, eight bytes a row."""

    def __init__(self, folder: Path) -> None:
        """Blocking: creates a file in ``folder``."""
        self._spool = Spool(folder)
        self._splits: dict[str, array[int]] = {}

    async def append(self, samples: Sequence[Sample]) -> None:
        """Add rows at the end."""
        for number, sample in enumerate(samples, start=len(self._spool)):
            self._splits.setdefault(sample.example.split, array("q")).append(number)
        await asyncio.to_thread(self._spool.append, samples)

    def __len__(self) -> int:
        return len(self._spool)

    def count(self, evaluate: str) -> int:
        """Rows that will be asked."""
        return sum(
            len(n) for split, n in self._splits.items() if evaluate in ("all", split) or split == "all"
        )

    async def asked(self, evaluate: str) -> AsyncIterator[Sample]:
        """The rows that are asked, in order."""
        for start in range(0, len(self._spool), READ_CHUNK):
            numbers = range(start, min(start + READ_CHUNK, len(self._spool)))
            for sample in await asyncio.to_thread(self._spool.read, numbers):
                if is_asked(sample.example, evaluate):
                    yield sample

    async def with_reference(self, split: str, *, or_all: bool = False) -> tuple[Rows, int]:
        """The rows of a split that have a reference, and how many have none.

        ``or_all``: rows without a split stand in for an empty one.
        """
        numbers = self._splits.get(split, array("q"))
        if or_all:
            numbers = numbers or self._splits.get("all", array("q"))
        spool = self._spool

        def usable() -> array[int]:
            return array("q", (n for n in numbers if spool.read([n])[0].example.reference is not None))

        kept = await asyncio.to_thread(usable)

        def read(positions: Sequence[int]) -> list[Example]:
            return [sample.example for sample in spool.read([kept[p] for p in positions])]

        return Rows(read, len(kept)), len(numbers) - len(kept)

    def close(self) -> None:
        """Drop the file. Idempotent."""
        self._spool.close()
