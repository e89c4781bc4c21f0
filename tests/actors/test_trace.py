"""The trace actor: when spans are written."""

from collections.abc import Sequence
from typing import Any

from crucible.actors.trace import AGE_S, CHUNK, CloseTrace, TraceActor
from crucible.messages.trace import Span
from crucible.testing import TestKit


class Exporter:
    """Notes the chunks that it is given."""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []
        self.closed = 0

    def export(self, spans: Sequence[Span]) -> None:
        self.chunks.append([span.id for span in spans])

    def close(self) -> list[Any]:
        self.closed += 1
        return []


def span(number: int) -> Span:
    return Span(id=number, name="s", kind="request", start_s=0.0, end_s=1.0)


async def test_a_full_chunk_is_written_at_once() -> None:
    async with TestKit("system") as kit:
        exporter = Exporter()
        ref = kit.spawn(lambda: TraceActor((exporter,)))
        for number in range(2 * CHUNK):
            await ref.tell(span(number))
        assert await ref.ask(CloseTrace()) == 2 * CHUNK
        assert [len(chunk) for chunk in exporter.chunks] == [CHUNK, CHUNK]
        assert exporter.closed == 1


async def test_what_waits_is_written_when_it_is_a_second_old() -> None:
    async with TestKit() as kit:
        exporter = Exporter()
        ref = kit.spawn(lambda: TraceActor((exporter,)))
        await ref.tell(span(1))
        await kit.advance(AGE_S / 2)
        await ref.tell(span(2))
        assert exporter.chunks == []
        await kit.advance(AGE_S)
        await ref.tell(span(3))
        assert await ref.ask(CloseTrace()) == 3
        assert exporter.chunks == [[1, 2], [3]]
