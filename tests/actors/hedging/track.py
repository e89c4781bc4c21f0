"""Races over samplers that answer by script, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from crucible.actors.first_token import first_token_came
from crucible.actors.hedging.actor import Drain, HedgingActor
from crucible.actors.hedging.options import NoOptions
from crucible.actors.hedging.pool import HedgePool
from crucible.actors.hedging.racer import Racer
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.hedging.sent import Lane
from crucible.actors.hedging.tally import HedgeTally, figures
from crucible.actors.limits import RetryPolicy
from crucible.actors.stage import Wiring
from crucible.messages.base import Message
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Completion, Prompt, SamplingParams, Usage
from crucible.messages.requests import BackendReply, BackendRequest, RaceOutcome
from crucible.messages.trace import Span
from crucible.testing import TestKit

Script = tuple[float, str | Exception]


class Scripted:
    """Answers request n as the script's n-th entry says; notes what was cancelled.

    ``first_tokens``: after how long each begins to stream, None where it does not.
    """

    def __init__(
        self,
        kit: TestKit,
        *script: Script,
        confidence: float | None = None,
        finish: Any = "stop",
        first_tokens: tuple[float | None, ...] = (),
    ) -> None:
        self._kit = kit
        self._first_tokens = first_tokens
        self._script = script
        self._confidence = confidence
        self._finish = finish
        self.asked: list[tuple[str, float]] = []
        self.attempts: list[int] = []
        self.cancelled: list[tuple[int, float]] = []

    async def sample(self, request: BackendRequest) -> BackendReply:
        number = len(self.asked)
        self.asked.append((request.key, self._kit.clock.now()))
        self.attempts.append(request.attempt)
        wait, answer = self._script[min(number, len(self._script) - 1)]
        try:
            begin = self._first_tokens[number] if number < len(self._first_tokens) else None
            if begin is not None:
                await self._kit.clock.sleep(begin)
                first_token_came()
            await self._kit.clock.sleep(wait - (begin or 0.0))
        except asyncio.CancelledError:
            self.cancelled.append((number + 1, self._kit.clock.now()))
            raise
        if isinstance(answer, Exception):
            raise answer
        completion = Completion(text=answer, confidence=self._confidence, finish_reason=self._finish)
        usage = Usage(prompt_tokens=10, completion_tokens=5)
        return BackendReply(completions=(completion,), usage=usage, cost_usd=0.5)


class Track:
    """A pool, its actor and its racer over some samplers."""

    def __init__(
        self,
        kit: TestKit,
        *samplers: Scripted,
        strategy: str = "fixed",
        policy: Message | None = None,
        max_attempts: int = 3,
        timeout_s: float = 100.0,
        racing: RacingOptions | None = None,
        **config: Any,
    ) -> None:
        self.kit = kit
        self.tally = HedgeTally()
        self.trace = kit.probe()
        if strategy == "fixed":
            config.setdefault("delay_ms", 1000.0)
        config.setdefault("budget_percent", 100.0)
        config.setdefault("control_percent", 0.0)
        settings = HedgeSettings(
            config=HedgingConfig(strategy=strategy, **config),  # type: ignore[arg-type]  # parametrised
            policy=policy or NoOptions(),
            racing=racing or RacingOptions(),
        )
        pool = HedgePool(settings, self.tally, kit.clock, seed=1)
        self.open_races = pool.races
        self.pool = kit.spawn(lambda: HedgingActor(pool))
        lanes = [Lane(f"lane{number}", sampler) for number, sampler in enumerate(samplers)]
        retry = RetryPolicy(max_attempts=max_attempts, timeout_s=timeout_s, base_s=0.0)
        trace = self.trace.ref
        wiring = Wiring(stage="backend_call", supervisor=trace, trace=trace, now=kit.clock.now)
        self.racer = Racer(lanes, pool, self.pool, settings, retry, wiring, kit.clock, trace.tell_nowait)

    def ask(self, key: str = "k", temperature: float = 0.0) -> asyncio.Task[RaceOutcome]:
        request = BackendRequest(
            key=key,
            example_id=key,
            prompt=Prompt(text="why?"),
            params=SamplingParams(temperature=temperature),
        )
        return asyncio.ensure_future(self.racer.race(request, span=7, lane="l"))

    async def outcome(self, seconds: float = 1000.0, **ask: Any) -> RaceOutcome:
        task = self.ask(**ask)
        await self.kit.advance(seconds)
        return await task

    async def figures(self) -> dict[str, Any]:
        await self.pool.ask(Drain())
        await self.kit.advance(0.0)  # what was cancelled is over
        return figures([self.tally])

    def spans(self) -> list[Span]:
        return [message for message in self.trace.messages if isinstance(message, Span)]
