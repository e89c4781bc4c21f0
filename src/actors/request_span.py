"""The span of one request to one system, and of its attempts where no race makes them.

Made by ``asking``, which asks through it, so that each attempt is seen. A request that needs only one attempt
has no spans below it; if a race takes several, the racer tells of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..messages.records import Output
from ..messages.requests import BackendReply, BackendRequest, RaceOutcome
from ..messages.trace import Span, SpanStatus
from .ports import Sampler
from .span_facts import call_attributes, error_attributes, race_decisions, reply_attributes
from .stage import StageBase, Wiring

if TYPE_CHECKING:
    from .systems import SystemSpec

__all__ = ["RequestSpan"]


class _Attempt(NamedTuple):
    number: int
    start_s: float
    end_s: float
    reply: BackendReply | None = None
    error: BaseException | None = None


class RequestSpan:
    """Begins when it is made. Is the sampler that it was given, and keeps what fails."""

    __slots__ = (
        "_attempts", "_over", "_parent", "_request", "_sampler", "_spec", "_stage", "_started", "_wiring",
        "lane", "number",
    )  # fmt: skip

    def __init__(
        self,
        stage: StageBase,
        wiring: Wiring,
        spec: SystemSpec,
        sampler: Sampler,
        request: BackendRequest,
        slot: int,
        parent: int | None,
    ) -> None:
        self._stage = stage
        self._wiring = wiring
        self._spec = spec
        self._sampler = sampler
        self._request = request
        self._parent = parent
        self._started = wiring.elapsed()
        self._attempts: list[_Attempt] = []
        self._over = False
        self.number = next(wiring.ids)
        self.lane = f"{wiring.stage}/{slot}"

    async def sample(self, request: BackendRequest) -> BackendReply:
        """Ask once."""
        started = self._wiring.elapsed()
        try:
            reply = await self._sampler.sample(request)
        except BaseException as error:
            self._attempts.append(_Attempt(request.attempt, started, self._wiring.elapsed(), error=error))
            raise
        if self._attempts:
            self._attempts.append(_Attempt(request.attempt, started, self._wiring.elapsed(), reply))
        return reply

    async def end(self, output: Output, reply: BackendReply | None) -> None:
        """There is an output."""
        if len(self._attempts) < 2:
            await self._end(output, self._call(reply))
            return
        for attempt in self._attempts:
            self._tell(attempt, "ok" if attempt.error is None else "error")
        await self._end(output, {})

    async def end_cached(self, output: Output) -> None:
        """It was answered from the cache: nobody was called, so nothing was used."""
        await self._end(output, {"cached": True})

    async def end_race(self, output: Output, outcome: RaceOutcome) -> None:
        """There is the output of a race."""
        told: dict[str, Any] = {"hedging": output.race}
        if outcome.attempts == 1 and outcome.race.winner == "first":  # whose attempt the racer has not told
            told |= self._call(outcome.reply)
        await self._end(output, told, outcome.sent)

    async def _end(self, output: Output, more: dict[str, Any], sent: Sequence[str] = ()) -> None:
        self._over = True
        if output.error:
            more |= error_attributes(output.error)
        race = output.race
        await self._stage.span(
            self._spec.name,
            "request",
            self._started,
            number=self.number,
            parent=self._parent,
            lane=self.lane,
            status="error" if output.error else "ok",
            attributes={"example": output.example_id, "attempts": output.attempts, **more},
            decisions=()
            if race is None
            else race_decisions(race, sent, self._started, self._wiring.elapsed()),
        )

    def broken(self, error: BaseException) -> None:
        """It was cancelled, or a bug ended it: its attempts need their parent all the same."""
        if self._over:
            return
        if len(self._attempts) > 1:
            for attempt in self._attempts[:-1]:
                self._tell(attempt, "error")
            self._tell(self._attempts[-1], "cancelled")
        self._stage.broken_span(
            self._spec.name,
            "request",
            self._started,
            error,
            number=self.number,
            parent=self._parent,
            lane=self.lane,
            example=self._request.example_id,
        )

    def _tell(self, attempt: _Attempt, status: SpanStatus) -> None:
        error = attempt.error
        attributes = {
            "example": self._request.example_id,
            "attempt": attempt.number,
            **self._call(attempt.reply),
        }
        if status == "error":
            late = isinstance(error, asyncio.CancelledError)  # whoever asks gave this attempt up
            attributes |= error_attributes(
                "TimedOutError: no answer in time" if late else f"{type(error).__name__}: {error}"
            )
        self._stage.span_at_once(
            Span(
                id=next(self._wiring.ids),
                parent_id=self.number,
                name=f"attempt {attempt.number}",
                kind="attempt",
                start_s=attempt.start_s,
                end_s=attempt.end_s,
                lane=self.lane,
                status=status,
                attributes=attributes,
            )
        )

    def _call(self, reply: BackendReply | None) -> dict[str, Any]:
        told = call_attributes(self._sampler, self._spec.backend_id, self._request.params)
        return told if reply is None else told | reply_attributes(reply)
