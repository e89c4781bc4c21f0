"""The trace actor: gathers the spans of a run and hands them to exporters in chunks.

One per run. Spans wait in a bounded mailbox, so tracing slows a run down rather than filling its memory.
A chunk is written when it is full or a second old: that is what a killed run may lose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..messages.base import Message
from ..messages.trace import Span
from .ports import SpanExporter
from .runtime import Actor, handler

__all__ = ["CloseTrace", "TraceActor"]

CHUNK = 256
AGE_S = 1.0


class CloseTrace(Message, frozen=True):
    """Write what is left and close the files."""

    def __reply__(self) -> int:
        """Never called: it tells the type of the answer, the number of spans written."""
        raise AssertionError


class _Due(Message, frozen=True):
    """The oldest span that waits is ``AGE_S`` old."""


class TraceActor(Actor):
    """Receives spans."""

    def __init__(self, exporters: Sequence[SpanExporter]) -> None:
        self._exporters = tuple(exporters)
        self._waiting: list[Span] = []
        self._written = 0
        self._due = False

    @handler
    async def on_span(self, message: Span) -> None:
        """Keep a span; a full chunk is written."""
        self._waiting.append(message)
        if len(self._waiting) >= CHUNK:
            await self._flush()
        elif not self._due:
            self._due = True
            self.context.schedule(AGE_S, _Due())

    @handler
    async def on_due(self, _message: _Due) -> None:
        """Write what has waited, full or not."""
        self._due = False
        await self._flush()

    @handler
    async def on_close(self, _message: CloseTrace) -> int:
        """Complete the files; how many spans there were."""
        await self._flush()
        for exporter in self._exporters:
            await asyncio.to_thread(exporter.close)
        return self._written

    async def _flush(self) -> None:
        spans, self._waiting = self._waiting, []
        self._written += len(spans)
        if spans:
            for exporter in self._exporters:
                await asyncio.to_thread(exporter.export, spans)
