"""Asks all members the rows that weights and calibrations are learned from.

Called by the ensemble before the first vote. Everyone is asked, without any early stop, and each member has
the patience of a vote; one that fails or is late has no say on that row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...messages.records import Example, Output
from ..slots import Slots
from ..stage import StageBase, Wiring
from .actor import AskMember
from .patience import Patience
from .settings import EnsembleSettings

__all__ = ["Learning"]


class Learning:
    """Of one ensemble."""

    def __init__(
        self, settings: EnsembleSettings, ask: AskMember, slots: Slots, stage: StageBase, wiring: Wiring
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._stage = stage
        self._wiring = wiring
        self._lanes = Slots(max(1, slots.free))
        self._done = 0

    async def ask_all(self, examples: Sequence[Example]) -> list[list[Output]]:
        """The members' answers to each row, in their order; asking costs what it costs."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._row(example, len(examples))) for example in examples]
        return [task.result() for task in tasks]

    async def _row(self, example: Example, total: int) -> list[Output]:
        lane = await self._lanes.take()
        number, row = next(self._wiring.ids), f"{self._wiring.stage}/vote {lane}"
        started = self._wiring.elapsed()
        try:
            asking = [self._member(name, example, number) for name in self._settings.members]
            outputs = await asyncio.gather(*asking)
        except BaseException as error:
            self._stage.broken_span(
                "learn", "vote", started, error, number=number, lane=row, example=example.id
            )
            raise
        await self._stage.span("learn", "vote", started, number=number, lane=row, example=example.id)
        self._lanes.give(lane)
        self._done += 1
        await self._stage.progress(self._done, total, phase="learn")
        return outputs

    async def _member(self, member: str, example: Example, span: int) -> Output:
        patience = Patience(self._settings.timeout_s, self._stage.context.clock)
        return await patience.wait(self._ask(member, example, span, patience), member, example.id)
