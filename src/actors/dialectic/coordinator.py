"""Leads one example at a time through its rounds: one coordinator, with three agents of its own, per slot.

Asked by ``answers``. The order is thesis, then round after round objections and synthesis, each synthesis
being the thesis of the next round; ``convergence`` says when it ends. A row for which the money gives out in
mid-round is left out as a whole, as no figure should rest on half an argument.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ...messages.base import Message
from ...messages.claims import Sno
from ...messages.dialectic import Assessment, Objections
from ...messages.records import Dialectic, DialecticRound, DialecticStep, Example
from ..runtime import Actor, ActorCrashed, ActorRef, handler
from ..runtime.requests import Request
from .agents import Antagonist, AskModel, Object, Propose, Proposer, Reconcile, Synthesizer
from .convergence import Stop, after_objections, after_round, chosen_round
from .settings import DialecticSettings

__all__ = ["Debate", "Debated", "DialecticActor"]

R = TypeVar("R")


class Debated(Message, frozen=True):
    """What came of it."""

    steps: tuple[DialecticStep, ...]
    """All that was done, in order."""
    record: Dialectic | None = None
    """None when there was no thesis, or no money for a step: the last step has the answer."""
    text: str = ""
    """The chosen object as an answer."""
    thesis: str = ""
    """The first object as an answer."""


class Debate(Message, frozen=True):
    """Argue over this example."""

    example: Example
    slot: int
    span: int

    if TYPE_CHECKING:

        def __reply__(self) -> Debated: ...


class DialecticActor(Actor):
    """One example at a time."""

    def __init__(self, settings: DialecticSettings, ask: AskModel) -> None:
        self._settings = settings
        self._options = settings.options
        self._arguments = settings.arguments
        self._ask_model = ask
        self._agents: dict[str, ActorRef] = {}

    async def on_start(self) -> None:
        """Spawn the agents."""
        settings, ask = self._settings, self._ask_model
        arguments = settings.arguments

        def model(agent: str) -> AskModel | None:
            return ask if agent in settings.models else None

        spawn = self.context.spawn
        self._agents = {
            "proposer": spawn(lambda: Proposer(arguments, model("proposer")), name="proposer"),
            "antagonist": spawn(lambda: Antagonist(arguments, model("antagonist")), name="antagonist"),
            "synthesizer": spawn(lambda: Synthesizer(arguments, model("synthesizer")), name="synthesizer"),
        }

    @handler
    async def on_debate(self, message: Debate) -> Debated:
        """From the thesis to the end."""
        example, slot, span = message.example, message.slot, message.span
        proposed = await self._ask("proposer", Propose(example=example, slot=slot, span=span))
        thesis = proposed.drafted.sno
        if thesis is None:
            return Debated(steps=(proposed.step,))
        debate = _Rounds(thesis, await self._assess(thesis), proposed.step)
        stop = after_round(self._options, debate.assessments)
        while stop is None:
            stop = await self._round(debate, message)
            if stop is None and debate.broke:
                return Debated(steps=tuple(debate.steps))
        chosen = chosen_round(self._options, debate.assessments)
        write = self._arguments.write
        text = await asyncio.to_thread(write, debate.objects[chosen])
        first = await asyncio.to_thread(write, thesis) if chosen else text
        return Debated(steps=tuple(debate.steps), record=debate.record(stop, chosen), text=text, thesis=first)

    async def _round(self, debate: _Rounds, message: Debate) -> Stop | None:
        """One round; why it was the last, None when it was not, or when there was no money."""
        example, slot, span = message.example, message.slot, message.span
        number, thesis = len(debate.rounds) + 1, debate.objects[-1]
        objected = await self._ask(
            "antagonist", Object(example=example, thesis=thesis, round_number=number, slot=slot, span=span)
        )
        debate.steps.append(objected.step)
        objections = objected.objections
        if objections is None:
            debate.broke = True
            return None
        chirality, shared = await asyncio.to_thread(self._arguments.weigh, thesis, objections)
        stop = after_objections(
            self._options, chirality=chirality, rival=objections.antithesis is not None, entanglement=shared
        )
        if stop is not None:
            debate.end_early(objections, objected.step)
            return stop
        reconciled = await self._ask(
            "synthesizer",
            Reconcile(
                example=example,
                thesis=thesis,
                objections=objections,
                round_number=number,
                slot=slot,
                span=span,
            ),
        )
        debate.steps.append(reconciled.step)
        made = reconciled.synthesis
        if made is None or made.sno is None:
            debate.broke = True
            return None
        assessment = await self._assess(made.sno, thesis, objections)
        debate.add(
            DialecticRound(
                number=number,
                challenges=made.challenges,
                antithesis=objections.antithesis,
                synthesis=made.sno,
                assessment=assessment,
                steps=(objected.step, reconciled.step),
            ),
            made.sno,
            assessment,
        )
        return after_round(self._options, debate.assessments)

    async def _assess(
        self, sno: Sno, before: Sno | None = None, objections: Objections | None = None
    ) -> Assessment:
        return await asyncio.to_thread(self._arguments.assess, sno, before, objections)

    async def _ask(self, agent: str, request: Request[R]) -> R:
        try:
            return await self._agents[agent].ask(request, timeout=None)
        except ActorCrashed as crash:
            raise crash.__cause__ or crash from None


class _Rounds:
    """What has been said so far."""

    def __init__(self, thesis: Sno, assessment: Assessment, step: DialecticStep) -> None:
        self.objects = [thesis]
        self.assessments = [assessment]
        self.steps = [step]
        self.rounds: list[DialecticRound] = []
        self.broke = False
        """There was no money for a step."""
        self._first = step

    def add(self, done: DialecticRound, sno: Sno, assessment: Assessment) -> None:
        """A whole round."""
        self.rounds.append(done)
        self.objects.append(sno)
        self.assessments.append(assessment)

    def end_early(self, objections: Objections, step: DialecticStep) -> None:
        """A round in which nothing was worth a synthesis."""
        self.rounds.append(
            DialecticRound(
                number=len(self.rounds) + 1,
                challenges=objections.challenges,
                antithesis=objections.antithesis,
                steps=(step,),
            )
        )

    def record(self, stop: Stop, chosen: int) -> Dialectic:
        """How it went."""
        return Dialectic(
            thesis=self.objects[0],
            assessment=self.assessments[0],
            steps=(self._first,),
            rounds=tuple(self.rounds),
            reason=stop.reason,
            why=stop.why,
            chosen=chosen,
        )
