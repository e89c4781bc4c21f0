"""Spans of requests and their attempts, as backend_call makes them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from crucible.actors.hedging.options import NoOptions
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.ports import Capabilities, Session
from crucible.actors.runtime import ActorRef, SupervisionPolicy
from crucible.actors.stage import Tally, Wiring
from crucible.actors.stages.backend_call import BackendCall, BackendCallOptions, BackendSettings
from crucible.actors.systems import SystemSpec
from crucible.adapters.backends.untrained import UntrainedSession
from crucible.messages.base import Message
from crucible.messages.errors import BackendError, ConnectionFailedError, OverloadedError
from crucible.messages.experiment import HedgingConfig
from crucible.messages.flow import Batch, EndOfStream, Sample, StageResult
from crucible.messages.records import Completion, Example, Usage
from crucible.messages.requests import BackendReply, BackendRequest
from crucible.messages.trace import Span
from crucible.testing import TestKit


class Scripted:
    """A backend whose n-th call does what the n-th entry says: answers, fails, or never ends."""

    Options: ClassVar[type[msgspec.Struct]] = Message
    capabilities = Capabilities(trainable=False)
    telemetry: ClassVar[dict[str, Any]] = {"gen_ai.request.model": "m"}

    def __init__(self, *script: str | Exception | None) -> None:
        self._script = list(script)
        self.hangs = asyncio.Event()

    async def open(self, options: Any, *, seed: int, workdir: Path) -> Session:
        return UntrainedSession("scripted", self)

    async def sample(self, request: BackendRequest) -> BackendReply:
        step = self._script.pop(0)
        if step is None:
            self.hangs.set()
            await asyncio.Event().wait()
        if isinstance(step, Exception):
            raise step
        usage = Usage(prompt_tokens=3, completion_tokens=2)
        return BackendReply(completions=(Completion(text=step or ""),), usage=usage, cost_usd=0.25)


class Call:
    """backend_call over one row; its spans."""

    def __init__(
        self,
        kit: TestKit,
        folder: Path,
        backend: Scripted,
        hedging: HedgeSettings | None = None,
        **options: Any,
    ) -> None:
        self.trace, self.next = kit.probe(), kit.probe()
        settings = BackendSettings(
            model=SystemSpec(name="model", backend_id="scripted", backend=backend, options=None),
            baselines=(),
            options=BackendCallOptions(**{"backoff_s": 0.0, "gate": False, "max_failed": 1.0, **options}),
            evaluate="all",
            experiment_id="x",
            seed=1,
            workdir=folder,
            hedging=hedging,
        )
        wiring = Wiring(
            stage="backend_call", supervisor=kit.probe().ref, downstream=self.next.ref, trace=self.trace.ref,
            span=7,
        )  # fmt: skip
        self.ref: ActorRef = kit.spawn(
            lambda: BackendCall(wiring, settings, Tally()),
            policy=SupervisionPolicy(decider=lambda _error: "stop"),
        )

    async def begin(self) -> None:
        await self.ref.tell(Batch(index=0, samples=(Sample(example=Example(id="e1", input="?")),)))
        await self.ref.tell(EndOfStream(batches=1, samples=1))

    async def spans(self) -> list[Span]:
        await self.begin()
        await self.next.expect(Batch)
        await self.next.expect(StageResult)
        return self.told()

    def told(self) -> list[Span]:
        return [message for message in self.trace.messages if isinstance(message, Span)]


async def test_a_request_that_answers_at_once_is_one_span_below_its_stage(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        (request,) = await Call(kit, tmp_path, Scripted("a")).spans()
        assert (request.kind, request.parent_id, request.status) == ("request", 7, "ok")
        assert request.attributes == {
            "example": "e1",
            "attempts": 1,
            "gen_ai.operation.name": "text_completion",
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "m",
            "gen_ai.request.max_tokens": 512,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 2,
            "cost_usd": 0.25,
        }


async def test_each_attempt_of_a_retried_request_has_a_span_and_only_calls_count_tokens(
    tmp_path: Path,
) -> None:
    async with TestKit("system") as kit:
        *attempts, request = await Call(kit, tmp_path, Scripted(OverloadedError("busy"), "a")).spans()
        assert [(each.name, each.status, each.parent_id) for each in attempts] == [
            ("attempt 1", "error", request.id), ("attempt 2", "ok", request.id),
        ]  # fmt: skip
        assert attempts[0].attributes["error"] == "OverloadedError: busy"
        assert attempts[1].attributes["gen_ai.usage.input_tokens"] == 3
        assert request.attributes == {"example": "e1", "attempts": 2}
        assert request.start_s <= attempts[0].start_s <= attempts[1].start_s
        assert attempts[1].end_s <= request.end_s


async def test_a_request_that_is_refused_for_good_is_one_span_with_its_error(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        (request,) = await Call(kit, tmp_path, Scripted(BackendError("never"))).spans()
        assert (request.kind, request.status) == ("request", "error")
        assert request.attributes["error.type"] == "BackendError"


async def test_an_attempt_that_took_too_long_is_told_as_such(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        first, second, request = await Call(kit, tmp_path, Scripted(None, "a"), timeout_s=0.01).spans()
        assert first.attributes["error"] == "TimedOutError: no answer in time"
        assert (second.status, request.status) == ("ok", "ok")


async def test_a_request_that_is_cancelled_leaves_its_span_and_those_of_its_attempts(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        backend = Scripted(OverloadedError("busy"), None)
        call = Call(kit, tmp_path, backend)
        await call.begin()
        await backend.hangs.wait()
        await call.ref.stop()
        await kit.quiescent()
        told = [(each.name, each.status) for each in call.told()]
        assert told == [("attempt 1", "error"), ("attempt 2", "cancelled"), ("model", "cancelled")]
        assert {each.parent_id for each in call.told()[:2]} == {call.told()[2].id}


def races(delay_ms: float, control_percent: float = 0.0) -> HedgeSettings:
    config = HedgingConfig(
        strategy="fixed", delay_ms=delay_ms, budget_percent=100.0, control_percent=control_percent
    )
    return HedgeSettings(config=config, policy=NoOptions(), racing=RacingOptions())


async def test_a_race_of_one_is_one_span_that_says_what_was_planned(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        (request,) = await Call(kit, tmp_path, Scripted("a"), hedging=races(1e6)).spans()
        assert (request.kind, request.parent_id, request.status) == ("request", 7, "ok")
        assert request.attributes["gen_ai.usage.input_tokens"] == 3
        assert request.attributes["hedging"].winner == "first"
        assert [decision.chosen for decision in request.decisions] == ["duplicate when late"]


async def test_each_request_of_a_race_has_a_span_and_only_those_count_tokens(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        call = Call(kit, tmp_path, Scripted(ConnectionFailedError("gone"), "a"), hedging=races(1e6))
        first, backup, request = await call.spans()
        assert [each.name for each in (first, backup)] == ["first model", "backup model"]
        assert {first.parent_id, backup.parent_id} == {request.id}
        counted = [each.attributes.get("gen_ai.usage.input_tokens") for each in (first, backup, request)]
        assert counted == [None, 3, None]


async def test_a_bug_of_a_backend_is_in_the_trace(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        call = Call(kit, tmp_path, Scripted(ZeroDivisionError("oops")))
        watcher = kit.probe()
        watcher.watch(call.ref)
        await call.begin()
        await watcher.expect(object)
        (request,) = call.told()
        assert (request.status, request.attributes["error.type"]) == ("error", "ZeroDivisionError")
