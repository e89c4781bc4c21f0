"""The racing actor: asks a backend, and races a duplicate against an answer that is slow.

One for each request in flight of a system, asked with a ``RaceRequest``; all of a system share one
``HedgePool``, which decides. When the asker is cancelled the requests are; so is what a stop finds running.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...messages.requests import RaceOutcome, RaceRequest
from ...messages.trace import Span
from ..limits import RetryPolicy
from ..runtime import Actor, ActorRef, MailboxFull, handler
from ..span_facts import call_attributes, duplicate_decisions, error_attributes, reply_attributes
from ..stage import Wiring
from .options import TieredOptions
from .pool import Left
from .race import RaceRun
from .racing_options import HedgeSettings
from .sent import Lane, Sent

__all__ = ["Racer"]


class Racer(Actor):
    """Runs one race at a time."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        pool: ActorRef,
        settings: HedgeSettings,
        policy: RetryPolicy,
        wiring: Wiring,
    ) -> None:
        """``lanes``: the system's own backend, then those of further tiers."""
        self._lanes = tuple(lanes)
        self._pool = pool
        self._max_hedges = settings.config.max_hedges
        self._tiers = (
            settings.policy if isinstance(settings.policy, TieredOptions) and len(lanes) > 1 else None
        )
        self._policy = policy
        self._wiring = wiring

    @handler
    async def on_request(self, message: RaceRequest) -> RaceOutcome:
        """Race; what losers still do goes on beside the actor."""
        race = RaceRun(
            request=message.request,
            lanes=self._lanes,
            policy=self._policy,
            max_hedges=self._max_hedges,
            tiers=self._tiers,
            pool=self._pool,
            clock=self.context.clock,
            note=lambda sent: self._span(message, sent, loser=sent in race.left_open),
        )
        try:
            outcome = await race.run()
        except BaseException:
            self._pool.tell_nowait(Left(key=message.request.key))
            raise
        self._pool.tell_nowait(Left(key=message.request.key, race=outcome.race, attempts=outcome.attempts))
        if race.left_open:
            self.context.create_task(race.finish(), name="losers")
        return outcome

    def _span(self, message: RaceRequest, sent: Sent, *, loser: bool) -> None:
        trace, began = self._wiring.trace, self._wiring.began
        if trace is None:
            return
        status: Literal["ok", "error", "cancelled"] = "ok" if sent.acceptable else "error"
        lane, request = sent.lane, message.request
        attributes = {
            "example": request.example_id,
            "attempt": sent.number,
            "kind": sent.kind,
            "backend": lane.name,
            "why": sent.why,
            **call_attributes(lane.sampler, lane.backend_id or lane.name, request.params),
        }
        if sent.first_token is not None:
            attributes["first_token_s"] = sent.first_token - sent.started
        if sent.reply is not None:
            attributes |= reply_attributes(sent.reply)
        if loser:
            attributes["loser"] = True  # it may end after its request
        if sent.outcome == "cancelled":
            status = "cancelled"
        elif sent.error is not None:
            attributes |= error_attributes(sent.told_error())
        span = Span(
            id=next(self._wiring.ids),
            parent_id=message.span,
            name=sent.title,
            kind="hedge" if sent.duplicate else "attempt",
            start_s=sent.started - began,
            end_s=sent.ended - began,
            lane=f"{message.lane} {sent.kind}" if sent.duplicate or loser else message.lane,
            status=status,
            attributes=attributes,
            decisions=duplicate_decisions(sent.title, sent.why, sent.started - began)
            if sent.duplicate
            else (),
        )
        try:
            trace.tell_nowait(span)
        except MailboxFull:
            self.context.create_task(_tell(trace, span), name="span")


async def _tell(trace: ActorRef, span: Span) -> None:
    await trace.tell(span)
