"""The texts of a data set that an analysis may learn word weights from, before anything is asked.

Made by the composition, handed to every analysis adapter that has ``learn`` (``ports.LearnsFromData``). Of a
large set it keeps the ``MAX_ROWS`` rows whose content has the least hash: a uniform sample that neither the
order of the rows nor the size of batches changes, in bounded memory. Answers are never among the texts, so
what is learned from them is known before any system has answered.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..messages.records import Example

if TYPE_CHECKING:
    from .ports import Dataset

__all__ = ["MAX_ROWS", "Corpus", "content_hash"]

MAX_ROWS = 2_000
READ_CHUNK = 256

T = TypeVar("T")


def content_hash(*texts: str) -> int:
    """64 bits that depend on the texts alone."""
    joined = "\0".join(texts).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "big")


class Corpus:
    """What adapters learn from one data set, each thing once for all of them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._learned: dict[Any, Any] = {}
        self._kept: list[Example] | None = None

    def once(self, learn: Callable[[Sequence[Example]], T]) -> T:
        """``learn`` of the rows; a later call with the same function gives the same object. Blocking."""
        if learn not in self._learned:
            if self._kept is None:
                self._kept = self._rows()
            self._learned[learn] = learn(self._kept)
        return cast("T", self._learned[learn])

    def _rows(self) -> list[Example]:
        if len(self._dataset) <= MAX_ROWS:
            return list(self._all())
        least: list[tuple[int, int, Example]] = []
        for number, example in enumerate(self._all()):
            entry = (-content_hash(example.input, example.reference or ""), -number, example)
            if len(least) < MAX_ROWS:
                heapq.heappush(least, entry)
            elif entry > least[0]:
                heapq.heapreplace(least, entry)
        return [example for *_, example in least]

    def _all(self) -> Iterator[Example]:
        for start in range(0, len(self._dataset), READ_CHUNK):
            yield from self._dataset.read(start, min(start + READ_CHUNK, len(self._dataset)))
