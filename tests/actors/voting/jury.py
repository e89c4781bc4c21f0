"""A stage with an ensemble of scripted members, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crucible.actors.runtime import ActorRef, SupervisionPolicy
from crucible.actors.stage import Tally, Wiring
from crucible.actors.stages.backend_call import BackendCall, BackendCallOptions, BackendSettings
from crucible.actors.stages.guardrails import OutputGuard
from crucible.actors.systems import SystemSpec
from crucible.actors.voting.normalise import NORMALISERS
from crucible.actors.voting.settings import EnsembleOptions, EnsembleSettings
from crucible.adapters.backends.mock import MockBackend
from crucible.adapters.cns.merge import check_claims, merge_claims
from crucible.messages.experiment import EnsembleConfig
from crucible.messages.flow import Batch, EndOfStream, Sample, StageResult
from crucible.messages.records import Ballots, Completion, Example, Output, SamplingParams, Usage
from crucible.messages.requests import BackendReply, BackendRequest
from crucible.testing import TestKit


class Member(MockBackend):
    """A backend and session that answers each example as told, and notes what it was asked."""

    def __init__(
        self,
        kit: TestKit,
        answers: str | Mapping[str, str] | Exception,
        *,
        after: float = 0.0,
        confidence: float | Mapping[str, float] | None = None,
    ) -> None:
        self._kit = kit
        self._answers = answers
        self._after = after
        self._confidence: float | Mapping[str, float] | None = confidence
        self.asked: list[tuple[str, float]] = []
        self.prompts: list[str] = []
        self.temperatures: list[float] = []
        self.seeds: list[int | None] = []
        self.cancelled = 0

    async def open(self, options: Any, *, seed: int, workdir: Path) -> Any:
        return self

    async def sampler(self, checkpoint: Any = None) -> Member:
        return self

    async def aclose(self) -> None:
        """Nothing to release."""

    async def sample(self, request: BackendRequest) -> BackendReply:
        self.asked.append((request.example_id, self._kit.clock.now()))
        self.prompts.append(request.prompt.text)
        self.temperatures.append(request.params.temperature)
        self.seeds.append(request.params.seed)
        try:
            if self._after:
                await self._kit.clock.sleep(self._after)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self._answers, Exception):
            raise self._answers
        text = self._answers if isinstance(self._answers, str) else self._answers[request.example_id]
        sure = self._confidence
        completion = Completion(
            text=text, confidence=sure[request.example_id] if isinstance(sure, Mapping) else sure
        )
        return BackendReply(
            completions=(completion,), usage=Usage(prompt_tokens=10, completion_tokens=5), cost_usd=0.5
        )


def spec(name: str, backend: Member, **fields: Any) -> SystemSpec:
    return SystemSpec(name=name, backend_id="scripted", backend=backend, options=None, **fields)


class Jury:
    """A BackendCall with an ensemble of the given members, named a, b, c, ..."""

    def __init__(
        self,
        kit: TestKit,
        folder: Path,
        *members: Member,
        normalizer: str = "text",
        options: EnsembleOptions | None = None,
        score: Any = None,
        call: Mapping[str, Any] | None = None,
        params: Sequence[SamplingParams | None] = (),
        evaluate: str = "test",
        guard: OutputGuard | None = None,
        **config: Any,
    ) -> None:
        self.kit = kit
        self.next = kit.probe()
        self.trace = kit.probe()
        self.supervisor = kit.probe()
        names = "abcdefgh"[: len(members)]
        settings = EnsembleSettings(
            config=EnsembleConfig(**{"strategy": "majority", "normalizer": normalizer, **config}),
            options=options or EnsembleOptions(),
            members=tuple(names),
            normalise=NORMALISERS.get(normalizer),
            merge=merge_claims if normalizer == "claims" else None,
            check=check_claims if normalizer == "claims" else None,
            score=score,
        )
        asked = [*params, *[None] * len(members)]
        call_settings = BackendSettings(
            model=spec("model", members[0]),
            baselines=(),
            options=BackendCallOptions(
                **{"backoff_s": 0.0, "max_failed": 1.0, "max_attempts": 1, "gate": False, **(call or {})}
            ),
            evaluate=evaluate,
            experiment_id="x",
            seed=3,
            workdir=folder,
            ensemble=settings,
            guard=guard,
            members=tuple(spec(n, m, params=p) for n, m, p in zip(names, members, asked, strict=False)),
        )
        wiring = Wiring(
            stage="backend_call",
            supervisor=self.supervisor.ref,
            downstream=self.next.ref,
            trace=self.trace.ref,
            now=kit.clock.now,
        )
        self.ref: ActorRef = kit.spawn(
            lambda: BackendCall(wiring, call_settings, Tally()),
            policy=SupervisionPolicy(decider=lambda _error: "stop"),
        )

    async def ask(
        self,
        count: int = 1,
        *,
        seconds: float = 100.0,
        learn: Sequence[str] = (),
        reference: str | None = None,
    ) -> tuple[list[Output], StageResult]:
        known = [Example(id=f"v{i}", input="?", reference=r, split="validation") for i, r in enumerate(learn)]
        rows = [
            Example(id=f"q{i}", input=f"why {i}?", reference=reference, split="test") for i in range(count)
        ]
        samples = tuple(Sample(example=example) for example in (*known, *rows))
        await self.ref.tell(Batch(index=0, samples=samples))
        await self.ref.tell(EndOfStream(batches=1, samples=len(samples)))
        got: list[Output] = []
        reading = asyncio.ensure_future(self._read(got))
        while not reading.done() and self.kit.clock.now() < seconds:
            await self.kit.advance(0.05)
        return got, await reading

    async def _read(self, got: list[Output]) -> StageResult:
        while True:
            message = await self.next.expect(object, timeout=10)
            if isinstance(message, Batch):
                got += [output for sample in message.samples for output in sample.outputs]
            elif isinstance(message, StageResult):
                return message

    async def one(self, **ask: Any) -> tuple[Output, Ballots]:
        got, _ = await self.ask(**ask)
        assert got[0].ballots is not None
        return got[0], got[0].ballots
