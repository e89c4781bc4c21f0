"""One request and its duplicates: the shell around the decisions of ``pool``, in the task of whoever asks.

Called by the racer. The first acceptable answer wins; what is still open is cancelled while it runs. Where
answers are streamed the first token decides: what else is open is cancelled then, whichever answer would have
been whole first, and from then on no duplicate is sent. A stream that breaks is a failed request. An error
is no answer: while another request is open the race goes on, and when a request fails before any duplicate
was due the next one is sent at once, unless the failure is a sign of overload. When all have failed the race
backs off and starts another round, up to ``max_attempts`` first requests.
"""

from __future__ import annotations

import asyncio
import math

import msgspec

from ...messages.errors import BackendError, TransientError
from ...messages.requests import RaceOutcome
from ..backoff import retry_delay
from .accounts import error_text, observed, record
from .flight import Flight
from .options import TieredOptions
from .plan import HedgePlan, staggered_delays
from .sent import Lane, Sent
from .tier_race import ask_tiers

__all__ = ["RaceRun"]


class RaceRun:
    """One request, from the first attempt to the outcome."""

    __slots__ = ("_given_up", "_leader", "_max_hedges", "_winner", "flight", "left_open", "tiers")

    def __init__(self, flight: Flight, max_hedges: int, tiers: TieredOptions | None) -> None:
        self.flight = flight
        self.tiers = tiers
        self.left_open: tuple[Sent, ...] = ()
        """Losers that still run, or are being cancelled, when ``run`` returns: for ``finish``."""
        self._max_hedges = max_hedges
        self._winner: Sent | None = None
        self._leader: Sent | None = None
        """Whose answer is taken, though it may still be streaming."""
        self._given_up: tuple[Sent, ...] = ()
        """Requests of this round that were open when the leader's answer began."""

    async def run(self) -> RaceOutcome:
        """The outcome; lets exceptions that are no backend errors out."""
        flight, tries = self.flight, 1
        try:
            while True:
                self._leader, self._given_up = None, ()
                flight.begin(self._on_clone, retry=tries > 1)
                if self.tiers is None:
                    self._winner, tries = await self._hedged(tries)
                else:
                    self._winner = await ask_tiers(flight, self.tiers, retry=tries > 1)
                if self._winner is not None:
                    return self._won(self._winner)
                await flight.abandon()
                self._settle()
                last = [each for each in flight.round if each not in self._given_up][-1]
                if tries >= flight.policy.max_attempts or isinstance(last.error, BackendError):
                    return self._lost()
                await flight.clock.sleep(self._back_off(tries))
                tries += 1
        except BaseException:
            await flight.abandon()
            raise

    async def finish(self) -> None:
        """Wait for the losers that were let run or cancelled, then tell the pool of the whole round."""
        clock = self.flight.clock
        timers = [
            clock.call_later(each.deadline - clock.now(), each.expire) for each in self.left_open if each.open
        ]
        try:
            running = {each.task for each in self.left_open if each.task is not None}
            if running:
                await asyncio.wait(running)
        finally:
            for timer in timers:
                timer.cancel()
            self.give_up()
            self._settle()

    def give_up(self) -> None:
        """Cancel the losers that were let run."""
        for each in self.left_open:
            each.give_up(self.flight.clock.now())

    async def _hedged(self, tries: int) -> tuple[Sent | None, int]:
        """The request whose answer is taken, and how many first requests there were by now."""
        flight = self.flight
        plan, lane, most = flight.entry.plan, flight.lanes[0], flight.policy.max_attempts
        first = await flight.send("first" if tries == 1 else "retry", lane, plan.reason)
        if first is None:
            return None, most
        due = list[float]()
        if plan.delay_s is not None:
            due = [first.started + delay for delay in staggered_delays(plan.delay_s, self._max_hedges)]
        backups = self._max_hedges
        while True:
            await flight.wait(due[0] if due else None)
            leader = self._lead()
            if leader is not None:
                if leader.acceptable:
                    return leader, tries
                due.clear()
                flight.clone = False
            elif not flight.open:
                last = max((each for each in flight.round if each.error is not None), key=lambda it: it.ended)
                if last.reply is not None:
                    return last, tries  # it says itself that it is no answer, and there is no better one
                if not backups or tries >= most or not _may_follow_at_once(last):
                    return None, tries
                backups, tries = backups - 1, tries + 1
                due.clear()
                if await flight.send("backup", lane, f"at once after {last.told_error()}") is None:
                    return None, tries
            elif flight.clone:
                flight.clone = False
                flight.duplicate("clone", lane, "a slot is free")
            elif due and flight.clock.now() >= due[0]:
                self._when_due(due, lane, plan)

    def _when_due(self, due: list[float], lane: Lane, plan: HedgePlan) -> None:
        """The next duplicate is due."""
        due.pop(0)
        if self.flight.pool.fires(self.flight.request.key, plan):
            self.flight.duplicate("hedge", lane, plan.reason)
        else:
            due.clear()

    def _lead(self) -> Sent | None:
        """The request whose answer began first. What else is open when it begins to stream is given up."""
        flight = self.flight
        if self._leader is None or not (self._leader.open or self._leader.acceptable):
            self._leader, first = None, math.inf
            for each in flight.round:
                begun = each.begun if each.open or each.acceptable else None
                if begun is not None and begun < first:
                    self._leader, first = each, begun
            if self._leader is not None and self._leader.open and not flight.control:
                others = [each for each in flight.round if each.open and each is not self._leader]
                for each in others:
                    each.give_up(flight.clock.now())
                self._given_up += tuple(others)
                flight.tell_ended()
        return self._leader

    def _on_clone(self) -> bool:
        """Whether a duplicate will be asked for: not once an answer is coming."""
        flight = self.flight
        flight.clone = self.tiers is None and all(each.begun is None for each in flight.round)
        flight.changed()
        return flight.clone

    # the end

    def _won(self, winner: Sent) -> RaceOutcome:
        flight = self.flight
        control = False
        if len(flight.round) > 1:
            self.left_open = tuple(each for each in flight.round if each.open or each in self._given_up)
            control = bool(self.left_open) and flight.control
        for each in self.left_open:
            each.loser = True
        sent = flight.sent
        race = record(
            sent,
            flight.entry.plan,
            flight.refused,
            control=control,
            winner=winner,
            left_open=self.left_open,
            temperature=flight.request.params.temperature,
            streamed=self.tiers is None and winner.first_token is not None,
        )
        if not control:
            self.give_up()
        if not self.left_open:
            self._settle()
        begun, reply = flight.round[0].started, winner.reply
        if reply is not None and winner.first_token is not None:  # the sampler counts from its own request
            reply = msgspec.structs.replace(reply, first_token_s=winner.first_token - begun)
        return RaceOutcome(
            attempts=len(sent),
            latency_s=winner.ended - begun,
            reply=reply,
            race=race,
            sent=tuple(each.title for each in sent),
        )

    def _lost(self) -> RaceOutcome:
        flight = self.flight
        sent = flight.sent
        kept_back = [each for each in flight.round if not each.number]
        return RaceOutcome(
            attempts=max(1, len(sent)),
            latency_s=flight.clock.now() - flight.round[0].started,
            error=error_text([*sent, *kept_back]),
            race=record(sent, flight.entry.plan, flight.refused),
            sent=tuple(each.title for each in sent),
        )

    def _back_off(self, tries: int) -> float:
        flight = self.flight
        waits = [each.retry_after_s for each in flight.round if each.retry_after_s is not None]
        return retry_delay(
            flight.request.key,
            tries,
            base_s=flight.policy.base_s,
            cap_s=flight.policy.cap_s,
            retry_after_s=max(waits, default=None),
        )

    def _settle(self) -> None:
        """Tell the pool what there is to learn of this round."""
        flight, winner = self.flight, self._winner
        flight.tell_ended()
        plan, control = flight.entry.plan, len(flight.round) > 1 and flight.control
        whole = observed(flight.round, plan, winner, control=control)
        if whole is None:
            return
        streamed = self.tiers is None and any(each.first_token is not None for each in flight.round)
        seen = None
        if streamed:
            seen = observed(flight.round, plan, winner, control=control, to_first_token=True)
        flight.pool.settled(flight.entry, whole, seen, None if winner is None else winner.reply)


def _may_follow_at_once(last: Sent) -> bool:
    return isinstance(last.error, TransientError) and not last.overload and last.retry_after_s is None
