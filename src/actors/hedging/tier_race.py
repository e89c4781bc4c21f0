"""A race through tiers: the shell around the decisions of ``tiered``.

Called by ``race`` for each round. A tier that is slow is joined by the next one if budget and limits allow
it; one that failed or is not sure enough is followed by the next one anyway: the request needs an answer.
"""

from __future__ import annotations

from ...messages.errors import BudgetError
from .flight import Flight
from .options import TieredOptions
from .sent import Kind, Sent
from .tiered import Decision, TieredRace

__all__ = ["ask_tiers"]

PAUSE_S = 0.05


async def ask_tiers(flight: Flight, options: TieredOptions, *, retry: bool) -> Sent | None:
    """The request whose answer is taken, None when there is none."""
    try:
        lease = await flight.admitted(flight.lanes[0])  # its wait is no tier's delay
    except BudgetError as error:
        flight.keep_back("first", flight.lanes[0], error)
        return None
    begun = flight.clock.now()
    race, by_tier, reported = TieredRace(options, begun), dict[int, Sent](), set[int]()
    deadline, postponed = begun + options.timeout_ms / 1000, 0.0
    decision = race.begin(begun)
    while decision.verdict == "running":
        if decision.start is not None:
            kind: Kind = "tier" if by_tier else "retry" if retry else "first"
            sent = await flight.send(kind, flight.lanes[decision.start], decision.reason, lease)
            lease = None
            by_tier[decision.start] = sent or flight.round[-1]
        await flight.wait(0.0 if _news(by_tier, reported) else max(decision.wake_at or deadline, postponed))
        news = _news(by_tier, reported)
        if news:
            tier = min(news, key=lambda number: by_tier[number].ended)
            reported.add(tier)
            decision = _report(race, flight.clock.now(), tier, by_tier[tier])
            continue
        now = flight.clock.now()
        late = decision.wake_at is not None and now >= decision.wake_at
        if late and now < deadline and not flight.may_escalate(flight.lanes[len(by_tier)]):
            postponed = min(now + PAUSE_S, deadline)
            decision = decision._replace(start=None)
        else:
            decision = race.tick(now)
    return None if decision.accept is None else by_tier[decision.accept]


def _report(race: TieredRace, now: float, tier: int, sent: Sent) -> Decision:
    if sent.acceptable and sent.reply is not None:
        return race.answered(now, tier, sent.reply.completions[0].confidence)
    return race.failed(now, tier, sent.told_error())


def _news(by_tier: dict[int, Sent], reported: set[int]) -> list[int]:
    return [tier for tier, sent in by_tier.items() if not sent.open and tier not in reported]
