"""One request and its duplicates, run: the shell around the decisions of ``pool`` and ``tiered``.

Called by the racing actor. The first acceptable answer wins; what is still open is cancelled while it runs.
Where answers are streamed the first token decides: what else is open is cancelled then, whichever answer
would have been whole first, and from then on no duplicate is sent. A stream that breaks is a failed request.
An error is no answer: while another request is open the race goes on, and when a request fails before any
duplicate was due the next one is sent at once, unless the failure is a sign of overload. When all have
failed the race backs off and starts another round, up to ``max_attempts`` first requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ...messages.errors import BackendError, BudgetError, OverloadedError, TransientError
from ...messages.requests import BackendRequest, RaceOutcome
from ..backoff import retry_delay
from ..limits import Lease, RetryPolicy
from ..runtime import ActorRef
from ..runtime.clock import Clock
from .accounts import error_text, observed, record
from .options import TieredOptions
from .plan import HedgePlan, staggered_delays
from .pool import Admit, Duplicate, Ended, Enter, Entry, Settled
from .sent import Kind, Lane, Sent, start
from .tiered import Decision, TieredRace

__all__ = ["RaceRun"]

BREAKER_POLL_S = 0.1
TIER_PAUSE_S = 0.05


@dataclass(slots=True, kw_only=True)
class RaceRun:
    """One request, from the first attempt to the outcome."""

    request: BackendRequest
    lanes: Sequence[Lane]
    """The system's own backend first; further ones for tiers."""
    policy: RetryPolicy
    max_hedges: int
    tiers: TieredOptions | None
    pool: ActorRef
    clock: Clock
    note: Callable[[Sent], None]
    """Called for each request that is over."""
    left_open: list[Sent] = field(default_factory=list)
    """Losers that still run, or are being cancelled, when ``run`` returns: for ``finish``."""
    _sent: list[Sent] = field(default_factory=list)
    _round: list[Sent] = field(default_factory=list)
    _winner: Sent | None = None
    _leader: Sent | None = None
    """Whose answer is taken, though it may still be streaming."""
    _given_up: list[Sent] = field(default_factory=list)
    """Requests of this round that were open when the leader's answer began."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _clone: bool = False
    _entry: Entry = field(
        default_factory=lambda: Entry(plan=HedgePlan(delay_s=None), fires=False, control=False)
    )
    _refused: str = ""

    async def run(self) -> RaceOutcome:
        """The outcome; lets exceptions that are no backend errors out."""
        tries = 1
        try:
            while True:
                self._round, self._leader, self._given_up = [], None, []
                enter = Enter(
                    request=self.request, backend=self.lanes[0].name, retry=tries > 1, clone=self._on_clone
                )
                self._entry = await self.pool.ask(enter, timeout=None)
                self._winner, tries = await (self._tiered(tries) if self.tiers else self._hedged(tries))
                if self._winner is not None:
                    return self._won(self._winner)
                await self._abandon()
                self._settle()
                last = [each for each in self._round if each not in self._given_up][-1]
                if tries >= self.policy.max_attempts or isinstance(last.error, BackendError):
                    return self._lost()
                await self.clock.sleep(self._back_off(tries))
                tries += 1
        except BaseException:
            await self._abandon()
            raise

    async def finish(self) -> None:
        """Wait for the losers that were let run or cancelled, then tell the pool of the whole round."""
        try:
            await asyncio.wait({each.task for each in self.left_open if each.task is not None})
        finally:
            for each in self.left_open:
                each.give_up(self.clock.now())
            self._settle()

    # one backend

    async def _hedged(self, tries: int) -> tuple[Sent | None, int]:
        plan, lane = self._entry.plan, self.lanes[0]
        first = await self._send("first" if tries == 1 else "retry", lane, plan.reason)
        if first is None:
            return None, self.policy.max_attempts
        delays = (
            staggered_delays(plan.delay_s, self.max_hedges)
            if plan.delay_s is not None and self._entry.fires
            else ()
        )
        due = [first.started + delay for delay in delays]
        backups = self.max_hedges
        while True:
            await self._wait(due[0] if due else None)
            leader = self._lead()
            if leader is not None:
                if leader.acceptable:
                    return leader, tries
                due.clear()
            elif not any(each.open for each in self._round):
                last = max((each for each in self._round if each.error is not None), key=lambda it: it.ended)
                if last.reply is not None:
                    return last, tries  # it says itself that it is no answer, and there is no better one
                if not backups or tries >= self.policy.max_attempts or not _may_follow_at_once(last):
                    return None, tries
                backups, tries = backups - 1, tries + 1
                due.clear()
                if await self._send("backup", lane, f"at once after {last.told_error()}") is None:
                    return None, tries
            elif self._clone:
                self._clone = False
                await self._duplicate("clone", lane, "a slot is free")
            elif due and self.clock.now() >= due[0]:
                due.pop(0)
                await self._duplicate("hedge", lane, plan.reason)

    def _lead(self) -> Sent | None:
        """The request whose answer began first. What else is open when it begins to stream is given up."""
        if self._leader is None or not (self._leader.open or self._leader.acceptable):
            begun = [
                each for each in self._round if each.acceptable or (each.open and each.begun is not None)
            ]
            self._leader = min(begun, key=lambda each: each.begun or 0.0, default=None)
            if self._leader is not None and self._leader.open and not self._entry.control:
                others = [each for each in self._round if each.open and each is not self._leader]
                for each in others:
                    each.give_up(self.clock.now())
                self._given_up += others
                self._tell_ended()
        return self._leader

    # tiers

    async def _tiered(self, tries: int) -> tuple[Sent | None, int]:
        options = self.tiers or TieredOptions(tiers=())
        try:
            lease = await self._admitted(self.lanes[0])  # its wait is no tier's delay
        except BudgetError as error:
            self._keep_back("first", self.lanes[0], error)
            return None, self.policy.max_attempts
        begun = self.clock.now()
        race, by_tier, reported = TieredRace(options, begun), dict[int, Sent](), set[int]()
        deadline, postponed = begun + options.timeout_ms / 1000, 0.0
        decision = race.begin(begun)
        while decision.verdict == "running":
            if decision.start is not None:
                kind: Kind = "tier" if by_tier else "first" if tries == 1 else "retry"
                sent = await self._send(kind, self.lanes[decision.start], decision.reason, lease)
                lease = None
                by_tier[decision.start] = sent or self._round[-1]
            await self._wait(
                0.0 if _news(by_tier, reported) else max(decision.wake_at or deadline, postponed)
            )
            news = _news(by_tier, reported)
            if news:
                tier = min(news, key=lambda number: by_tier[number].ended)
                reported.add(tier)
                decision = self._report(race, tier, by_tier[tier])
                continue
            now = self.clock.now()
            late = decision.wake_at is not None and now >= decision.wake_at
            if late and now < deadline and not await self._may_escalate(len(by_tier)):
                postponed = min(now + TIER_PAUSE_S, deadline)
                decision = decision._replace(start=None)
            else:
                decision = race.tick(now)
        return None if decision.accept is None else by_tier[decision.accept], tries

    def _report(self, race: TieredRace, tier: int, sent: Sent) -> Decision:
        if sent.acceptable and sent.reply is not None:
            return race.answered(self.clock.now(), tier, sent.reply.completions[0].confidence)
        return race.failed(self.clock.now(), tier, sent.told_error())

    async def _may_escalate(self, tier: int) -> bool:
        """Whether limits and budget allow a tier beside a slow one."""
        name, gate = self.lanes[tier].name, self.lanes[tier].gate
        if gate is not None and not gate.has_room(self.request):
            self._refused = "the limits leave no room"
            return False
        permit = await self.pool.ask(Duplicate(request=self.request, backend=name, kind="tier"), timeout=None)
        if permit.ticket is None:
            self._refused = permit.reason
            return False
        self.pool.tell_nowait(Ended(backend=name, ticket=permit.ticket, outcome="neither"))  # admitted anew
        return True

    # requests

    async def _admitted(self, lane: Lane) -> Lease | None:
        """Leave by the limits, None when there are none; BudgetError when the run has no money left."""
        return None if lane.gate is None else await lane.gate.admit(self.request)

    async def _send(self, kind: Kind, lane: Lane, why: str, lease: Lease | None = None) -> Sent | None:
        """Send as soon as limits and breaker let it through; None when they do not.

        The limits do not when the run has no money left, the breaker when it is open for a whole time-out.
        """
        until = None
        retry = self.request if kind in ("retry", "backup") else None
        while True:
            try:
                lease = lease or await self._admitted(lane)
            except BudgetError as error:
                self._keep_back(kind, lane, error)
                return None
            try:
                permit = await self.pool.ask(Admit(backend=lane.name, retry=retry), timeout=None)
            except BaseException:
                if lease is not None:
                    lease.unsent()
                raise
            if permit.ticket is not None:
                return self._start(kind, lane, permit.ticket, why, lease)
            if lease is not None:
                lease.unsent()
                lease = None
            now = self.clock.now()
            until = until or now + self.policy.timeout_s
            if now >= until:
                self._keep_back(kind, lane, OverloadedError(f"{lane.name}: {permit.reason}"))
                return None
            await self.clock.sleep(max(BREAKER_POLL_S, (permit.retry_at or now) - now))

    def _keep_back(self, kind: Kind, lane: Lane, error: BackendError | OverloadedError) -> None:
        now = self.clock.now()
        self._round.append(
            Sent(kind=kind, lane=lane, number=0, started=now, ended=now, outcome="failed", error=error)
        )

    async def _duplicate(self, kind: Literal["hedge", "clone"], lane: Lane, why: str) -> None:
        permit = await self.pool.ask(
            Duplicate(request=self.request, backend=lane.name, kind=kind), timeout=None
        )
        lease = None if lane.gate is None or permit.ticket is None else lane.gate.admit_nowait(self.request)
        if permit.ticket is None:
            self._refused = permit.reason
            return
        if lane.gate is not None and lease is None:
            self._refused = "the limits leave no room"
        elif any(each.open for each in self._round):
            why = f"{why}; budget left {permit.budget_left:.2f}"
            self._start(kind, lane, permit.ticket, why, lease)
            return
        elif lease is not None:
            lease.unsent()
        self.pool.tell_nowait(Ended(backend=lane.name, ticket=permit.ticket, kind=kind, outcome="neither"))

    def _start(self, kind: Kind, lane: Lane, ticket: int, why: str, lease: Lease | None) -> Sent:
        sent = Sent(
            kind=kind,
            lane=lane,
            number=len(self._sent) + 1,
            started=self.clock.now(),
            ticket=ticket,
            lease=lease,
            duplicate=any(each.open for each in self._round),
            why=why,
        )
        self._sent.append(sent)
        self._round.append(sent)
        start(sent, self.request, self.policy.timeout_s, self.clock, self._changed.set)
        return sent

    async def _wait(self, until: float | None) -> None:
        """Until a request is over, a clone is wanted, or it is time."""
        timer = None
        if self._clone or (until is not None and until <= self.clock.now()):
            self._changed.set()
        elif until is not None:
            timer = self.clock.call_later(until - self.clock.now(), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._changed.clear()
        self._tell_ended()
        bug = next((each.bug for each in self._round if each.bug is not None), None)
        if bug is not None:
            raise bug

    def _on_clone(self) -> bool:
        """Whether a duplicate will be asked for: not once an answer is coming."""
        self._clone = self.tiers is None and all(each.begun is None for each in self._round)
        self._changed.set()
        return self._clone

    # the end

    def _won(self, winner: Sent) -> RaceOutcome:
        self.left_open = [each for each in self._round if each.open or each in self._given_up]
        race = record(
            self._sent,
            self._entry,
            self._refused,
            winner=winner,
            left_open=self.left_open,
            temperature=self.request.params.temperature,
            streamed=self.tiers is None and winner.first_token is not None,
        )
        if not self._entry.control:
            for each in self.left_open:
                each.give_up(self.clock.now())
        if not self.left_open:
            self._settle()
        begun, reply = self._round[0].started, winner.reply
        if reply is not None and winner.first_token is not None:  # the sampler counts from its own request
            reply = msgspec.structs.replace(reply, first_token_s=winner.first_token - begun)
        return RaceOutcome(
            attempts=len(self._sent),
            latency_s=winner.ended - begun,
            reply=reply,
            race=race,
            sent=tuple(each.title for each in self._sent),
        )

    def _lost(self) -> RaceOutcome:
        kept_back = [each for each in self._round if not each.number]
        return RaceOutcome(
            attempts=max(1, len(self._sent)),
            latency_s=self.clock.now() - self._round[0].started,
            error=error_text([*self._sent, *kept_back]),
            race=record(self._sent, self._entry, self._refused),
            sent=tuple(each.title for each in self._sent),
        )

    def _back_off(self, tries: int) -> float:
        waits = [each.retry_after_s for each in self._round if each.retry_after_s is not None]
        return retry_delay(
            self.request.key,
            tries,
            base_s=self.policy.base_s,
            cap_s=self.policy.cap_s,
            retry_after_s=max(waits, default=None),
        )

    async def _abandon(self) -> None:
        """Give up whatever still runs."""
        running = {each.task for each in self._round if each.task is not None and not each.task.done()}
        for each in self._round:
            if each.open:
                each.give_up(self.clock.now())
        if running:
            await asyncio.wait(running)
        self._tell_ended()

    def _settle(self) -> None:
        self._tell_ended()
        whole = observed(self._round, self._entry, self._winner)
        if whole is None:
            return
        streamed = self.tiers is None and any(each.first_token is not None for each in self._round)
        seen = observed(self._round, self._entry, self._winner, to_first_token=True) if streamed else None
        paid = None if self._winner is None else self._winner.reply
        self.pool.tell_nowait(
            Settled(
                request=self.request,
                backend=self.lanes[0].name,
                observed=seen or whole,
                whole=whole if seen else None,
                tokens=paid.usage.prompt_tokens + paid.usage.completion_tokens if paid else 0,
                cost_usd=paid.cost_usd if paid else None,
            )
        )

    def _tell_ended(self) -> None:
        for each in self._round:
            if each.told or each.open or not each.number:
                continue
            each.told = True
            self.pool.tell_nowait(
                Ended(
                    backend=each.lane.name,
                    ticket=each.ticket,
                    kind=each.kind,
                    outcome="answered" if each.acceptable else "blamed" if each.blamed else "neither",
                    overload=each.overload,
                    retry_after_s=each.retry_after_s,
                )
            )
            self.note(each)


def _may_follow_at_once(last: Sent) -> bool:
    return isinstance(last.error, TransientError) and not last.overload and last.retry_after_s is None


def _news(by_tier: dict[int, Sent], reported: set[int]) -> list[int]:
    return [tier for tier, sent in by_tier.items() if not sent.open and tier not in reported]
