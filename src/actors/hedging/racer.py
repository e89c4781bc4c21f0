"""Asks one system, and races a duplicate against an answer that is slow; tells the trace of each request.

One for each system, called by ``races`` of the asker, in the task that asks. When that task is cancelled all
requests of its race are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ...messages.requests import BackendRequest, RaceOutcome
from ...messages.trace import Span
from ..limits import NOBODY, RetryPolicy, Watcher
from ..runtime import ActorRef, ActorStopped
from ..runtime.clock import Clock
from ..stage import Wiring
from .actor import Losers
from .flight import Flight
from .options import TieredOptions
from .pool import HedgePool
from .race import RaceRun
from .racing_options import HedgeSettings
from .sent import Lane, Sent
from .spans import attempt_span

__all__ = ["Racer"]


class Racer:
    """The races of one system; any number at a time."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        pool: HedgePool,
        actor: ActorRef,
        settings: HedgeSettings,
        policy: RetryPolicy,
        wiring: Wiring,
        clock: Clock,
        tell: Callable[[Span], None],
    ) -> None:
        """``lanes``: the system's own backend, then those of further tiers; ``actor`` is the pool's.

        ``tell`` records a span without waiting.
        """
        self._lanes = tuple(lanes)
        self._pool = pool
        self._actor = actor
        self._max_hedges = settings.config.max_hedges
        self._tiers = (
            settings.policy if isinstance(settings.policy, TieredOptions) and len(lanes) > 1 else None
        )
        self._policy = policy
        self._wiring = wiring
        self._clock = clock
        self._tell = tell

    async def race(
        self,
        request: BackendRequest,
        span: int | None = None,
        lane: str = "",
        watcher: Watcher = NOBODY,
    ) -> RaceOutcome:
        """Race; ``span`` and ``lane`` are those of the request in the trace.

        A race that needed one attempt only leaves its facts to the span of the request.
        """
        pool = self._pool
        note = partial(self._note, request, span, lane)
        flight = Flight(request, self._lanes, self._policy, pool, self._clock, note, watcher)
        run = RaceRun(flight, self._max_hedges, self._tiers)
        alone = False
        try:
            outcome = await run.run()
            alone = outcome.attempts == 1 and outcome.race.winner == "first"
        except BaseException:
            pool.left(request.key)
            raise
        finally:
            flight.over = True
            if not alone:
                flight.say()
        pool.left(request.key, outcome.race, outcome.attempts)
        if run.left_open:
            await self._hand_over(run)
        return outcome

    async def _hand_over(self, run: RaceRun) -> None:
        """Leave the losers to the actor, or to nobody when it has been stopped."""
        try:
            await self._actor.ask(Losers(finish=run.finish), timeout=None)
        except ActorStopped:
            run.give_up()
            await run.finish()
        except BaseException:
            run.give_up()
            run.flight.tell_ended()
            raise

    def _note(self, request: BackendRequest, parent: int | None, row: str, sent: Sent) -> None:
        wiring = self._wiring
        if wiring.trace is not None:
            number = next(wiring.ids)
            self._tell(attempt_span(request, sent, number, parent, row, wiring.began))
