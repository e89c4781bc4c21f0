"""Log-probabilities of the answers' tokens under a reference model: the base model, or saved weights.

They never change during a run, so each row is asked once; how many are kept is bounded. Used by ``session``
for regularisers that need them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....messages.errors import BackendError, TransientError
from .datums import Datum
from .regularisers import Array
from .sampler import TinkerSampler

__all__ = ["ROOM", "Reference"]

Kept = np.ndarray[Any, np.dtype[np.float32]]
KEPT_TOKENS = 16_000_000
"""Log-probabilities in memory: 64 MB."""
AT_ONCE = 16
ROOM = 2
"""A row may have this many inputs less than the context: its last target, and the token that is sampled."""


class Reference:
    """Asks a sampling client, in the order of the rows and a few at a time."""

    def __init__(self, sampler: TinkerSampler, attempts: int, backoff_s: float) -> None:
        self._sampler = sampler
        self._attempts, self._backoff_s = attempts, backoff_s
        self._kept: dict[bytes, Kept] = {}
        self._room = KEPT_TOKENS
        self._places = asyncio.Semaphore(AT_ONCE)
        self.tokens = 0
        """Tokens that the service has read for it."""

    async def of(self, datums: Sequence[Datum]) -> list[Array]:
        """For each row the log-probabilities of the tokens of its answer."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._row(datum)) for datum in datums]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result().astype(np.float64) for task in tasks]

    async def _row(self, datum: Datum) -> Kept:
        tokens = [*datum.inputs, int(datum.targets[-1])]
        wanted = int(np.count_nonzero(datum.weights))
        key = hashlib.blake2b(np.asarray([wanted, *tokens], np.int64).tobytes(), digest_size=16).digest()
        found = self._kept.get(key)
        if found is None:
            async with self._places:
                found = await self._asked(tokens, wanted)
            if wanted <= self._room:
                self._room -= wanted
                self._kept[key] = found
        return found

    async def _asked(self, tokens: list[int], wanted: int) -> Kept:
        for attempt in range(self._attempts + 1):
            try:
                found = await self._sampler.logprobs(tokens, wanted)
            except TransientError:
                if attempt == self._attempts:
                    raise
                await asyncio.sleep(self._backoff_s * 2**attempt)
            else:
                break
        self.tokens += len(tokens)
        if len(found) < wanted or any(each is None for each in found[-wanted:]):
            raise BackendError("tinker: the service did not tell the reference's log-probabilities")
        return np.asarray(found[-wanted:], np.float32)
