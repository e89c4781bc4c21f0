"""The requests of one race under way: sends them as far as limits, breaker and budget allow, waits for news.

Called by ``race`` and ``tier_race``, which decide what is sent when. One timer at a time, for the next moment
at which something is due: a duplicate, or the end of a request's patience.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Literal

from ...messages.errors import BackendError, BudgetError, OverloadedError
from ...messages.requests import BackendRequest
from ..limits import NOBODY, Lease, RetryPolicy, Watcher
from ..runtime.clock import Clock
from .pool import Entry, HedgePool
from .sent import Kind, Lane, Sent, start

__all__ = ["Flight"]

BREAKER_POLL_S = 0.1


class Flight:
    """What was sent for one request, and what became of it."""

    __slots__ = (
        "_changed", "_note", "_waiter", "clock", "clone", "earlier", "entry", "lanes", "over", "policy",
        "pool", "refused", "request", "round", "unsaid", "watcher",
    )  # fmt: skip

    def __init__(
        self,
        request: BackendRequest,
        lanes: Sequence[Lane],
        policy: RetryPolicy,
        pool: HedgePool,
        clock: Clock,
        note: Callable[[Sent], None],
        watcher: Watcher = NOBODY,
    ) -> None:
        """``lanes``: the system's own backend, then those of tiers.

        ``note`` is told what is over, but for a first request that was answered before the race is ``over``:
        that is left ``unsaid``.
        """
        self.request = request
        self.lanes = lanes
        self.policy = policy
        self.pool = pool
        self.clock = clock
        self._note = note
        self.watcher = watcher
        self.over = False
        self.unsaid: Sent | None = None
        self.earlier: tuple[Sent, ...] = ()
        """Of rounds before this one."""
        self.round: list[Sent] = []
        """In this round, those that were kept back included."""
        self.refused = ""
        """Why the last duplicate was not sent."""
        self.clone = False
        """Whether a clone is wanted."""
        self.entry: Entry
        """What this round may plan with; there from ``begin`` on."""
        self._changed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def control(self) -> bool:
        """Whether losers run to their end."""
        return self.pool.is_control(self.request.key)

    @property
    def sent(self) -> tuple[Sent, ...]:
        """All that was sent, in all rounds."""
        return (*self.earlier, *[each for each in self.round if each.number])

    @property
    def open(self) -> bool:
        """Whether a request of this round is under way."""
        for each in self.round:  # noqa: SIM110  # twice as fast as a generator, and asked often
            if each.open:
                return True
        return False

    def begin(self, clone: Callable[[], bool], *, retry: bool) -> None:
        """Begin a round; for ``clone`` see ``HedgePool.enter``."""
        if self.round:
            self.earlier, self.round = self.sent, []
        self.entry = self.pool.enter(self.request, self.lanes[0].name, clone, retry=retry)

    async def admitted(self, lane: Lane) -> Lease | None:
        """Leave by the limits, None when there are none; BudgetError when the run has no money left."""
        return None if lane.gate is None else await lane.gate.admit(self.request)

    async def send(self, kind: Kind, lane: Lane, why: str, lease: Lease | None = None) -> Sent | None:
        """Send as soon as limits and breaker let it through; None when they do not.

        The limits do not when the run has no money left, the breaker when it is open for a whole time-out.
        """
        until = None
        charged = self.entry.size if kind in ("retry", "backup") else None
        while True:
            try:
                if lane.gate is not None and lease is None:
                    lease = await lane.gate.admit(self.request)
            except BudgetError as error:
                self.keep_back(kind, lane, error)
                return None
            self.watcher.sent()
            permit = self.pool.admit(lane.name, charged)
            if permit.ticket is not None:
                return self._start(kind, lane, permit.ticket, why, lease)
            if lease is not None:
                lease.unsent()
                lease = None
            now = self.clock.now()
            until = until or now + self.policy.timeout_s
            if now >= until:
                self.keep_back(kind, lane, OverloadedError(f"{lane.name}: {permit.reason}"))
                return None
            self.watcher.failed(permit.reason)
            probe_s = max(BREAKER_POLL_S, (permit.retry_at or now) - now)
            await self.clock.sleep(min(probe_s, until - now))

    def keep_back(self, kind: Kind, lane: Lane, error: BackendError | OverloadedError) -> None:
        """A request that may not be sent: its failure is that of the round."""
        now = self.clock.now()
        self.round.append(
            Sent(kind=kind, lane=lane, number=0, started=now, ended=now, outcome="failed", error=error)
        )

    def duplicate(self, kind: Literal["hedge", "clone"], lane: Lane, why: str) -> None:
        """Send another one beside those that are open, if budget, breaker and limits allow it now."""
        permit = self.pool.duplicate(self.request.key, self.entry.size, lane.name, kind)
        if permit.ticket is None:
            self.refused = permit.reason
            return
        lease = None if lane.gate is None else lane.gate.admit_nowait(self.request)
        if lane.gate is not None and lease is None:
            self.refused = "the limits leave no room"
            self.pool.give_back(lane.name, permit.ticket, kind)
            return
        self._start(kind, lane, permit.ticket, f"{why}; budget left {permit.budget_left:.2f}", lease)

    def may_escalate(self, lane: Lane) -> bool:
        """Whether limits and budget allow a tier beside a slow one. If so it is paid, and sent as any is."""
        if lane.gate is not None and not lane.gate.has_room(self.request):
            self.refused = "the limits leave no room"
            return False
        permit = self.pool.duplicate(self.request.key, self.entry.size, lane.name, "tier")
        if permit.ticket is None:
            self.refused = permit.reason
            return False
        self.pool.give_back(lane.name, permit.ticket, "tier")
        return True

    def _start(self, kind: Kind, lane: Lane, ticket: int, why: str, lease: Lease | None) -> Sent:
        now = self.clock.now()
        sent = Sent(
            kind=kind,
            lane=lane,
            number=len(self.earlier) + sum(each.number > 0 for each in self.round) + 1,
            started=now,
            deadline=now + self.policy.timeout_s,
            ticket=ticket,
            lease=lease,
            duplicate=bool(self.round) and self.open,
            why=why,
        )
        self.round.append(sent)
        start(sent, self.request, self.clock, self.changed)
        return sent

    def changed(self) -> None:
        """There is news."""
        self._changed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, until: float | None) -> None:
        """Until a request is over or begins to answer, a clone is wanted, or it is time; lets bugs out."""
        if not (self._changed or self.clone):
            due = math.inf if until is None else until
            for each in self.round:
                if each.deadline < due and each.open and not each.expired:
                    due = each.deadline
            wait_s = due - self.clock.now()
            if wait_s > 0:
                waiter = self._waiter = asyncio.get_running_loop().create_future()
                timer = None if due == math.inf else self.clock.call_later(wait_s, self.changed)
                try:
                    await waiter
                finally:
                    self._waiter = None
                    if timer is not None:
                        timer.cancel()
            else:  # a request that is cancelled before its task has run would never be over
                await asyncio.sleep(0)
        self._changed = False
        self._see()

    def _see(self) -> None:
        now = self.clock.now()
        for each in self.round:
            if now >= each.deadline:
                each.expire()  # that it is over will be news
        self.tell_ended()
        for each in self.round:
            if each.bug is not None:
                raise each.bug

    def tell_ended(self) -> None:
        """Tell the pool and whoever listens what is over."""
        for each in self.round:
            if each.told or each.open or not each.number:
                continue
            each.told = True
            self.pool.ended(each)
            if each.error is not None:
                self.watcher.failed(each.told_error())
            if self.over or each.number > 1 or each.reply is None:
                self._note(each)
            else:
                self.unsaid = each

    def say(self) -> None:
        """Note what was left unsaid."""
        if self.unsaid is not None:
            self._note(self.unsaid)

    async def abandon(self) -> None:
        """Give up whatever still runs; all is told though whoever waits for it is cancelled meanwhile."""
        running = {each.task for each in self.round if each.task is not None and not each.task.done()}
        for each in self.round:
            if each.open:
                each.give_up(self.clock.now())
        try:
            if running:
                await asyncio.wait(running)
        finally:
            self.tell_ended()
