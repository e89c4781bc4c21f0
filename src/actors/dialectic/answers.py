"""The dialectic as one system: its answers, spans and figures.

Called by ``backend_call`` in the place of the asker, for the experiment's backend only. Every request goes
through the asker in the row's own slot, so limits, retries, cache, racing, trace and prices hold for it. The
agents' requests differ by name, so that each has keys, latencies and a row of figures of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ...messages.dialectic import HEURISTIC, AgentName
from ...messages.records import Dialectic, DialecticStep, Example, Output
from ...messages.trace import Decision
from ..asking import Asker
from ..combined import from_cache, paid, retries
from ..ports import Sampler
from ..runtime import ActorCrashed, ActorRef
from ..stage import StageBase, Wiring
from ..system_tally import SystemTally
from ..systems import SystemSpec
from .coordinator import Debate, Debated, DialecticActor
from .settings import DialecticSettings

__all__ = ["Dialectics"]

AGENTS: tuple[AgentName, ...] = ("proposer", "antagonist", "synthesizer")


class Dialectics:
    """Answers examples by dialectic."""

    def __init__(
        self,
        settings: DialecticSettings,
        spec: SystemSpec,
        sampler: Sampler,
        asker: Asker,
        stage: StageBase,
        wiring: Wiring,
        scrub: Callable[[Dialectic], Dialectic] | None = None,
    ) -> None:
        """``scrub`` redacts what is kept of an argument, in a thread."""
        self._scrub = scrub
        self._settings = settings
        self._spec = spec
        self._sampler = sampler
        self._asker = asker
        self._stage = stage
        self._wiring = wiring
        self._actors: dict[int, ActorRef] = {}
        # The proposer asks as the model alone would: they share their replies in the cache.
        self._specs = {"proposer": spec} | {
            agent: replace(spec, name=f"{spec.name} {agent}", is_model=True) for agent in AGENTS[1:]
        }
        self._tallies = {agent: _AgentTally(spec.backend_id) for agent in AGENTS}

    @property
    def thesis_as(self) -> str | None:
        """The name under which theses are answers of their own."""
        return self._settings.options.thesis_as

    async def answer(self, example: Example, slot: int) -> tuple[Output, ...]:
        """The answer that the dialectic came to, and the thesis if that is measured too.

        ``slot`` is nobody else's until then.
        """
        started = self._wiring.elapsed()
        number = next(self._wiring.ids)
        name, lane = f"dialectic {self._spec.name}", f"{self._wiring.stage}/{slot}"
        try:
            debated = await self._debate(example, slot, number)
            output = self._output(example, debated, self._wiring.elapsed() - started)
            if output.dialectic is not None and self._scrub is not None:
                scrubbed = await asyncio.to_thread(self._scrub, output.dialectic)
                output = msgspec.structs.replace(output, dialectic=scrubbed)
        except BaseException as error:
            self._stage.broken_span(
                name, "dialectic", started, error, number=number, lane=lane, example=example.id
            )
            raise
        for step in debated.steps:
            self._tallies[step.agent].add(step)
        record = output.dialectic
        await self._stage.span(
            name,
            "dialectic",
            started,
            number=number,
            lane=lane,
            status="ok" if output.error is None else "error",
            attributes={"example": example.id, **_told(record), "cost_usd": output.cost_usd},
            decisions=_decisions(record, debated.steps),
        )
        return (output, *self._thesis(example, debated))

    def _thesis(self, example: Example, debated: Debated) -> tuple[Output, ...]:
        """What the proposer's model said, word by word; the rules' thesis where it was not asked."""
        if self.thesis_as is None:
            return ()
        said = debated.steps[0].output
        if said is not None:
            return (msgspec.structs.replace(said, system=self.thesis_as),)
        return (self._plain(example, self.thesis_as, debated.thesis),)

    async def _debate(self, example: Example, slot: int, span: int) -> Debated:
        if slot not in self._actors:
            self._actors[slot] = self._stage.context.spawn(
                lambda: DialecticActor(self._settings, self._ask), name=f"dialectic-{slot}"
            )
        try:
            return await self._actors[slot].ask(Debate(example=example, slot=slot, span=span), timeout=None)
        except ActorCrashed as crash:
            raise crash.__cause__ or crash from None

    async def _ask(self, agent: AgentName, example: Example, prompt: str, *, slot: int, span: int) -> Output:
        asked = msgspec.structs.replace(example, input=prompt)
        return await self._asker.ask(self._specs[agent], self._sampler, asked, slot, span)

    def _output(self, example: Example, debated: Debated, latency_s: float) -> Output:
        outputs = [step.output for step in debated.steps if step.output is not None]
        if debated.record is None:
            last = outputs[-1] if outputs else None
            if last is not None:  # it failed, was not paid for, or made no claim: that is the answer
                began = len(outputs) - 1 + sum(map(retries, outputs[:-1]))
                attempts = max(last.attempts, 1 + began) if began else last.attempts
                return msgspec.structs.replace(last, system=self._spec.name, attempts=attempts)
            return self._plain(example, self._spec.name, "")
        usage, cost = paid(outputs)
        return Output(
            example_id=example.id,
            system=self._spec.name,
            backend=self._spec.backend_id if outputs else HEURISTIC,
            text=debated.text,
            confidence=_confidence(debated.record),
            attempts=1 + sum(retries(output) for output in outputs),
            latency_s=latency_s,
            usage=usage,
            cost_usd=cost,
            cached=from_cache(outputs),
            dialectic=debated.record,
        )

    def _plain(self, example: Example, system: str, text: str) -> Output:
        """An answer by rules, which took no request."""
        return Output(
            example_id=example.id, system=system, backend=HEURISTIC, text=text, attempts=0, cost_usd=0.0
        )

    def metrics(self) -> dict[str, Any]:
        """JSON-ready figures of each agent."""
        return {agent: tally.metrics() for agent, tally in self._tallies.items()}

    def note(self, most: float) -> str | None:
        """Which agents had to be stood in for too often, in one line; None when none had."""
        told = [tally.note(agent, most) for agent, tally in self._tallies.items()]
        return "; ".join(each for each in told if each) or None


def _confidence(record: Dialectic) -> float:
    chosen = record.assessment if record.chosen == 0 else record.rounds[record.chosen - 1].assessment
    return record.assessment.confidence if chosen is None else chosen.confidence


def _told(record: Dialectic | None) -> dict[str, Any]:
    if record is None:
        return {}
    scores = [record.assessment.score]
    scores += [each.assessment.score for each in record.rounds if each.assessment is not None]
    return {"rounds": len(record.rounds), "scores": scores, "reason": record.reason}


def _decisions(record: Dialectic | None, steps: Sequence[DialecticStep]) -> tuple[Decision, ...]:
    stood_in = tuple(
        Decision(
            kind="fallback", chosen=HEURISTIC, alternatives=("model",), why=step.fallback, subject=step.agent
        )
        for step in steps
        if step.fallback is not None
    )
    if record is None:
        return stood_in
    ended = Decision(
        kind="convergence", chosen=record.reason, why=f"{record.why}; the answer is of round {record.chosen}"
    )
    return (*stood_in, ended)


class _AgentTally:
    """What one agent did."""

    def __init__(self, backend: str) -> None:
        self._requests = SystemTally(backend)
        self._steps = self._fallbacks = self._heuristic = self._unread = 0
        self._first: str | None = None

    def add(self, step: DialecticStep) -> None:
        """Count a step."""
        self._steps += 1
        self._fallbacks += step.fallback is not None
        self._heuristic += step.method == HEURISTIC
        self._unread += bool(step.problems)
        self._first = self._first or step.fallback
        if step.output is not None:
            self._requests.add(step.output)

    def note(self, agent: str, most: float) -> str | None:
        if not self._fallbacks or self._fallbacks <= most * self._steps:
            return None
        told = f"rules stood in for the {agent} in {self._fallbacks} of {self._steps} steps"
        return f"{told}; the first: {self._first}"

    def metrics(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "steps": self._steps,
            "by_rules": self._heuristic,
            "fallbacks": self._fallbacks,
            "first_fallback": self._first,
            "with_unread_lines": self._unread,
        }
        return told | ({"requests": self._requests.metrics()} if self._requests.asked else {})
