"""One example through its rounds: the agents really ask, fall back, stop and are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from crucible.actors.dialectic.coordinator import Debate, Debated, DialecticActor
from crucible.actors.dialectic.settings import DialecticOptions, DialecticSettings
from crucible.actors.runtime import ActorRef
from crucible.adapters.cns.dialectic import CnsArguments
from crucible.adapters.entailment.lexical import LexicalEntailment
from crucible.messages.dialectic import AgentName
from crucible.messages.records import Example, Output
from crucible.testing import TestKit

PROMPT = """Passage:
Document 7: Hedges

Hedges raise bee numbers. Bees were twice as many beside hedges. They were as many in sprayed fields.

Task:
1. Restate.
"""
THESIS = """CLAIM[c1]: Hedges raise bee numbers.
CLAIM[c2] (Document 7): Bees were twice as many beside hedges.
RELATION: c2 supports c1"""
OBJECTION = "CHALLENGE[k1] scope high: Not in sprayed fields."
SYNTHESIS = """CLAIM[c1]: Hedges raise bee numbers where nothing is sprayed.
CLAIM[c2] (Document 7): Bees were twice as many beside hedges.
RELATION: c2 supports c1
CLAIM[c3] (Document 7): They were as many in sprayed fields.
RELATION: c3 refutes c1
RESOLVED: k1 accepted"""
ALL: tuple[AgentName, ...] = ("proposer", "antagonist", "synthesizer")
Says = str | Exception | Output | Callable[[int], str]


class Models:
    """Scripted models, one for each agent; remembers who was asked what."""

    def __init__(self, **says: Says) -> None:
        self._says = {"proposer": THESIS, "antagonist": OBJECTION, "synthesizer": SYNTHESIS, **says}
        self.asked: list[tuple[str, str]] = []

    async def __call__(
        self, agent: AgentName, example: Example, prompt: str, *, slot: int, span: int
    ) -> Output:
        self.asked.append((agent, prompt))
        said: Any = self._says[agent]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Output):
            return said
        text = said(len(self.asked)) if callable(said) else said
        return Output(example_id=example.id, system=agent, backend="openai", text=text)

    @property
    def order(self) -> list[str]:
        return [agent for agent, _ in self.asked]


def actor(kit: TestKit, models: Models, asking: tuple[AgentName, ...] = ALL, **options: Any) -> ActorRef:
    filled = {"max_rounds": 1, "target": 1.0, **options}
    settings = DialecticSettings(
        options=DialecticOptions(**filled),
        arguments=CnsArguments(LexicalEntailment().support),
        models=frozenset(asking),
    )
    return kit.spawn(lambda: DialecticActor(settings, models), name="dialectic")


async def debate(models: Models, asking: tuple[AgentName, ...] = ALL, **options: Any) -> Debated:
    async with TestKit() as kit:
        ref = actor(kit, models, asking, **options)
        return await ref.ask(Debate(example=Example(id="e", input=PROMPT), slot=0, span=1))


def failed(finish: str = "error", error: str = "BackendError: HTTP 400") -> Output:
    return Output(example_id="e", system="m", backend="openai", finish_reason=finish, error=error)


async def test_each_agent_is_asked_in_turn_and_the_synthesis_is_the_answer() -> None:
    models = Models()
    found = await debate(models)
    assert models.order == ["proposer", "antagonist", "synthesizer"]
    assert models.asked[0][1] == PROMPT
    assert THESIS in models.asked[1][1]
    assert "Not in sprayed fields." in models.asked[2][1]
    assert found.text == SYNTHESIS.removesuffix("\nRESOLVED: k1 accepted")
    record = found.record
    assert record is not None
    assert (record.reason, record.chosen, len(record.rounds)) == ("max_rounds", 1, 1)
    assert [c.resolution for c in record.rounds[0].challenges] == ["accepted"]
    assert [step.method for step in found.steps] == ["openai"] * 3
    assert all(step.fallback is None for step in found.steps)


async def test_each_synthesis_is_the_thesis_of_the_next_round() -> None:
    models = Models(
        antagonist=lambda n: f"CHALLENGE[k1] scope high: objection {n}.",
        synthesizer=lambda n: SYNTHESIS.replace("nothing", f"nothing at all of kind {n}"),
    )
    found = await debate(models, max_rounds=3, epsilon=0.0)
    assert models.order == ["proposer", *["antagonist", "synthesizer"] * 3]
    assert "nothing at all of kind 3" in models.asked[3][1]
    assert "nothing at all of kind 5" in models.asked[5][1]
    record = found.record
    assert record is not None
    assert [each.number for each in record.rounds] == [1, 2, 3]
    assert [each.synthesis.id for each in record.rounds if each.synthesis] == [
        "e/s1/c1", "e/s2/c1", "e/s3/c1",
    ]  # fmt: skip
    assert "kind 7" in found.text


async def test_no_synthesis_is_asked_for_when_nothing_is_objected() -> None:
    models = Models(antagonist="NO CHALLENGE")
    found = await debate(models, max_rounds=3)
    assert models.order == ["proposer", "antagonist"]
    assert found.record is not None
    assert (found.record.reason, found.record.chosen) == ("no_conflict", 0)
    assert found.text == THESIS


@pytest.mark.parametrize(
    ("agent", "reply", "why"),
    [
        ("proposer", "I do not know.", "the answer has no claim"),
        ("antagonist", "It is fine by me.", "the reply holds neither a challenge nor a claim"),
        ("synthesizer", "Both are right.", "the reply has no claim c1"),
    ],
)
async def test_rules_stand_in_for_a_reply_of_no_use_and_the_step_says_so(
    agent: str, reply: str, why: str
) -> None:
    found = await debate(Models(**{agent: reply}), min_chirality=0.0)
    (step,) = (step for step in found.steps if step.agent == agent)
    assert (step.method, step.fallback) == ("heuristic", why)
    assert step.problems
    assert step.output is not None
    assert step.output.text == reply
    assert {step.method for step in found.steps if step.agent != agent} == {"openai"}
    assert found.record is not None


@pytest.mark.parametrize("agent", ["antagonist", "synthesizer"])
async def test_rules_stand_in_for_an_agent_whose_model_fails_for_good(agent: str) -> None:
    found = await debate(Models(**{agent: failed()}), min_chirality=0.0)
    (step,) = (step for step in found.steps if step.agent == agent)
    assert (step.method, step.fallback) == ("heuristic", "BackendError: HTTP 400")
    assert found.record is not None


async def test_the_row_has_failed_when_the_proposers_model_has() -> None:
    models = Models(proposer=failed())
    found = await debate(models)
    assert models.order == ["proposer"]
    assert found.record is None
    assert [step.output for step in found.steps] == [failed()]


@pytest.mark.parametrize("agent", ["antagonist", "synthesizer"])
async def test_a_row_ends_without_a_record_when_the_money_is_gone(agent: str) -> None:
    gone = failed("not_asked", "BudgetError: used up")
    found = await debate(Models(**{agent: gone}))
    assert found.record is None
    assert found.steps[-1].output == gone
    assert found.steps[0].agent == "proposer"


async def test_agents_that_go_by_rules_ask_nobody() -> None:
    models = Models()
    found = await debate(models, asking=("proposer",), min_chirality=0.0)
    assert models.order == ["proposer"]
    assert {step.agent: step.method for step in found.steps} == {
        "proposer": "openai", "antagonist": "heuristic", "synthesizer": "heuristic",
    }  # fmt: skip
    assert all(step.fallback is None for step in found.steps)


async def test_a_bug_in_an_agent_comes_out_as_itself() -> None:
    async with TestKit() as kit:
        ref = actor(kit, Models(antagonist=ZeroDivisionError("mine")))
        with pytest.raises(Exception, match="mine") as caught:
            await ref.ask(Debate(example=Example(id="e", input=PROMPT), slot=0, span=1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Stuck(Models):
    """Its antagonist never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.cancelled = asyncio.Event(), asyncio.Event()

    async def __call__(
        self, agent: AgentName, example: Example, prompt: str, *, slot: int, span: int
    ) -> Output:
        if agent == "antagonist" and not self.cancelled.is_set():
            self.waits.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        return await super().__call__(agent, example, prompt, slot=slot, span=span)


async def test_cancelling_in_mid_round_reaches_the_agent_and_the_next_example_is_argued_over() -> None:
    async with TestKit() as kit:
        models = Stuck()
        ref = actor(kit, models)
        message = Debate(example=Example(id="e", input=PROMPT), slot=0, span=1)
        asking = asyncio.ensure_future(ref.ask(message, timeout=None))
        await models.waits.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(20):
            await models.cancelled.wait()
            found = await ref.ask(message, timeout=None)
        assert found.record is not None
