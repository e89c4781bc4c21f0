"""Proposer, antagonist and synthesizer: three actors, one of each for every example in flight.

Asked by the coordinator, one request at a time. An agent that has a model asks it, and falls back on the
rules when the model fails for good or says nothing of use; the step says so. Only the proposer's failure is
the row's failure: rules must not answer in the place of a model that is measured. What is not of the model
(prompts, readers, rules) is work for a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from ...messages.base import Message
from ...messages.claims import Sno
from ...messages.dialectic import HEURISTIC, AgentName, Drafted, Objections, Synthesized
from ...messages.records import DialecticStep, Example, Output
from ..answers import was_not_asked
from ..ports import Arguments
from ..runtime import Actor, handler

__all__ = [
    "Antagonist",
    "AskModel",
    "Object",
    "Objected",
    "Propose",
    "Proposed",
    "Proposer",
    "Reconcile",
    "Reconciled",
    "Synthesizer",
]


class AskModel(Protocol):
    """How an agent's model is asked."""

    def __call__(
        self, agent: AgentName, example: Example, prompt: str, *, slot: int, span: int
    ) -> Awaitable[Output]:
        """What the model answers, failures included."""
        ...


class Proposed(Message, frozen=True):
    """A thesis, or none and the step that says why."""

    drafted: Drafted
    step: DialecticStep


class Objected(Message, frozen=True):
    """Objections and how they were come by; None when there was no money to ask."""

    objections: Objections | None
    step: DialecticStep


class Reconciled(Message, frozen=True):
    """A synthesis and how it was come by; None when there was no money to ask."""

    synthesis: Synthesized | None
    step: DialecticStep


class Propose(Message, frozen=True):
    """State a thesis about this."""

    example: Example
    slot: int
    span: int

    if TYPE_CHECKING:

        def __reply__(self) -> Proposed: ...


class Object(Message, frozen=True):
    """Find fault with this thesis."""

    example: Example
    thesis: Sno
    round_number: int
    slot: int
    span: int

    if TYPE_CHECKING:

        def __reply__(self) -> Objected: ...


class Reconcile(Message, frozen=True):
    """Bring a thesis and the objections to it together."""

    example: Example
    thesis: Sno
    objections: Objections
    round_number: int
    slot: int
    span: int

    if TYPE_CHECKING:

        def __reply__(self) -> Reconciled: ...


class _Agent(Actor):
    def __init__(self, arguments: Arguments, ask: AskModel | None) -> None:
        """``ask`` is None for an agent that goes by rules."""
        self._arguments = arguments
        self._ask = ask


class Proposer(_Agent):
    """States theses. Its prompt is that of the example."""

    @handler
    async def on_propose(self, message: Propose) -> Proposed:
        """The model's answer as a thesis."""
        example, arguments = message.example, self._arguments
        output: Output | None = None
        problems: tuple[str, ...] = ()
        fallback: str | None = None
        if self._ask is not None:
            output = await self._ask("proposer", example, example.input, slot=message.slot, span=message.span)
            if output.error is not None:
                step = DialecticStep(agent="proposer", method=output.backend, output=output)
                return Proposed(drafted=Drafted(sno=None, method=output.backend), step=step)
            drafted = await asyncio.to_thread(
                arguments.read_thesis,
                example.input,
                example.id,
                output.text,
                method=output.backend,
                confidence=output.confidence,
            )
            if drafted.sno is not None:
                return Proposed(
                    drafted=drafted, step=_step("proposer", drafted.method, drafted.problems, output)
                )
            problems, fallback = drafted.problems, "the answer has no claim"
        drafted = await asyncio.to_thread(arguments.propose, example.input, example.id)
        step = _step("proposer", HEURISTIC, (*problems, *drafted.problems), output, fallback)
        return Proposed(drafted=drafted, step=step)


class Antagonist(_Agent):
    """Finds fault."""

    @handler
    async def on_object(self, message: Object) -> Objected:
        """The model's objections, or those of the rules."""
        example, thesis, arguments = message.example, message.thesis, self._arguments
        output: Output | None = None
        problems: tuple[str, ...] = ()
        fallback: str | None = None
        if self._ask is not None:
            prompt = await asyncio.to_thread(arguments.challenge_prompt, example.input, thesis)
            output = await self._ask("antagonist", example, prompt, slot=message.slot, span=message.span)
            if was_not_asked(output):
                return Objected(objections=None, step=_step("antagonist", output.backend, (), output))
            fallback = output.error
            if fallback is None:
                found, problems = await asyncio.to_thread(
                    arguments.read_challenges,
                    example.input,
                    example.id,
                    thesis,
                    output.text,
                    method=output.backend,
                    round_number=message.round_number,
                )
                if found is not None:
                    step = _step("antagonist", found.method, problems, output)
                    return Objected(objections=found, step=step)
                fallback = "the reply holds neither a challenge nor a claim"
        found = await asyncio.to_thread(
            arguments.challenge, example.input, example.id, thesis, round_number=message.round_number
        )
        return Objected(objections=found, step=_step("antagonist", HEURISTIC, problems, output, fallback))


class Synthesizer(_Agent):
    """Reconciles."""

    @handler
    async def on_reconcile(self, message: Reconcile) -> Reconciled:
        """The model's synthesis, or that of the rules."""
        example, thesis, objections = message.example, message.thesis, message.objections
        arguments = self._arguments
        output: Output | None = None
        problems: tuple[str, ...] = ()
        fallback: str | None = None
        if self._ask is not None:
            prompt = await asyncio.to_thread(arguments.synthesis_prompt, example.input, thesis, objections)
            output = await self._ask("synthesizer", example, prompt, slot=message.slot, span=message.span)
            if was_not_asked(output):
                return Reconciled(synthesis=None, step=_step("synthesizer", output.backend, (), output))
            fallback = output.error
            if fallback is None:
                made = await asyncio.to_thread(
                    arguments.read_synthesis,
                    example.input,
                    example.id,
                    thesis,
                    objections,
                    output.text,
                    method=output.backend,
                    round_number=message.round_number,
                )
                problems = made.problems
                if made.sno is not None:
                    step = _step("synthesizer", made.method, problems, output)
                    return Reconciled(synthesis=made, step=step)
                fallback = "the reply has no claim c1"
        made = await asyncio.to_thread(
            arguments.synthesise, example.id, thesis, objections, round_number=message.round_number
        )
        return Reconciled(synthesis=made, step=_step("synthesizer", HEURISTIC, problems, output, fallback))


def _step(
    agent: AgentName,
    method: str,
    problems: tuple[str, ...],
    output: Output | None,
    fallback: str | None = None,
) -> DialecticStep:
    return DialecticStep(agent=agent, method=method, fallback=fallback, problems=problems, output=output)
