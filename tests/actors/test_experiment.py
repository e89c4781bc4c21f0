"""The supervisor of a run: completion, failure, restart, cancellation, events."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from crucible.actors.experiment import ExperimentSupervisor, RunPlan, StagePlan
from crucible.actors.stage import SourceActor, StageActor
from crucible.messages.control import (
    Cancel,
    RunCompleted,
    RunEvent,
    RunResult,
    RunStarted,
    StageCompleted,
    StageFailed,
    Start,
)
from crucible.messages.errors import DatasetError
from crucible.messages.experiment import BackendRef, Experiment, StageDef
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Example
from crucible.messages.trace import Span
from crucible.testing import TestKit

NAMES = ("load", "double", "sink")


class Source:
    def __init__(self, count: int) -> None:
        self.total = count

    async def batches(self) -> AsyncIterator[tuple[Sample, ...]]:
        for number in range(self.total):
            yield (Sample(example=Example(id=str(number), input="x")),)

    async def finish(self) -> StageResult:
        return StageResult(stage="load", status="completed")


class Step:
    restartable = True

    def __init__(self, name: str, fault: Callable[[int], None] = lambda _n: None) -> None:
        self.name, self.fault, self.calls, self.ids = name, fault, 0, list[str]()

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        self.calls += 1
        self.fault(self.calls)
        self.ids.extend(sample.example.id for sample in samples)
        return samples

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        return StageResult(stage=self.name, status="completed", metrics={"ids": len(self.ids)})


class Exporter:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.closed = False

    def export(self, spans: Sequence[Span]) -> None:
        self.spans.extend(spans)

    def close(self) -> list[Any]:
        self.closed = True
        return []


class Log:
    """Keeps the events of a run and knows when it is over."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self._over = asyncio.Event()

    def publish(self, event: RunEvent) -> None:
        self.events.append(event)
        if isinstance(event, RunCompleted):
            self._over.set()

    async def result(self) -> RunResult:
        async with asyncio.timeout(5):
            await self._over.wait()
        last = self.events[-1]
        assert isinstance(last, RunCompleted)
        return last.result


def plan(steps: Sequence[Step], count: int = 3, **fields: Any) -> tuple[RunPlan, Log, Exporter]:
    log = Log()
    exporter = Exporter()
    source = Source(count)
    stages = [StagePlan(name="load", build=lambda wiring, tally: SourceActor(wiring, source, tally))]
    stages += [
        StagePlan(
            name=step.name,
            build=lambda wiring, tally, step=step: StageActor(wiring, step, tally),  # type: ignore[misc]
            restartable=step.restartable,
        )
        for step in steps
    ]
    experiment = Experiment(
        id="x", backend=BackendRef(id="mock"), pipeline=tuple(StageDef(name=n) for n in NAMES)
    )
    made = RunPlan(
        run_id="r",
        experiment=experiment,
        stages=tuple(stages),
        exporters=(exporter,),
        publish=log.publish,
        **fields,
    )
    return made, log, exporter


async def finished(kit: TestKit, made: RunPlan, log: Log) -> RunResult:
    ref = kit.spawn(lambda: ExperimentSupervisor(made), name="run")
    await ref.tell(Start())
    return await log.result()


def raise_once(error: Exception) -> Callable[[int], None]:
    def fault(call: int) -> None:
        if call == 2:
            raise error

    return fault


def raise_always(error: Exception) -> Callable[[int], None]:
    def fault(_call: int) -> None:
        raise error

    return fault


async def test_a_run_ends_completed_with_the_results_of_all_stages_in_order() -> None:
    async with TestKit("system") as kit:
        made, log, exporter = plan([Step("double"), Step("sink")])
        result = await finished(kit, made, log)
        assert (result.status, result.failure) == ("completed", None)
        assert [stage.stage for stage in result.stages] == ["load", "double", "sink"]
        assert [stage.received for stage in result.stages] == [3, 3, 3]
        assert isinstance(log.events[0], RunStarted)
        assert exporter.closed
        stages = [span for span in exporter.spans if span.kind == "stage"]
        assert {(span.name, span.lane) for span in stages} == {(name, name) for name in NAMES}


async def test_a_stage_with_a_bug_is_restarted_and_no_sample_is_lost_or_doubled() -> None:
    async with TestKit("system") as kit:
        step = Step("double", raise_once(ZeroDivisionError("flaky")))
        made, log, _ = plan([step, Step("sink")])
        result = await finished(kit, made, log)
        assert result.status == "completed"
        assert step.ids == ["0", "1", "2"]


async def test_a_bug_that_stays_fails_the_run_after_three_restarts() -> None:
    async with TestKit("system") as kit:
        step = Step("double", raise_always(ZeroDivisionError("always")))
        made, log, _ = plan([step, Step("sink")])
        result = await finished(kit, made, log)
        assert (result.status, step.calls) == ("failed", 4)
        assert result.failure is not None
        assert result.failure.startswith("double: ZeroDivisionError: always (test_experiment.py:")


async def test_bad_input_ends_the_run_at_once_with_its_own_line() -> None:
    async with TestKit("system") as kit:
        step = Step("double", raise_always(DatasetError("is bad", source="f.jsonl", line=3, field="prompt")))
        made, log, _ = plan([step, Step("sink")])
        result = await finished(kit, made, log)
        assert (result.status, step.calls) == ("failed", 1)
        assert result.failure == "double: f.jsonl:3: prompt: is bad"
        assert any(isinstance(event, StageFailed) for event in log.events)


async def test_what_finished_before_a_failure_is_in_the_result() -> None:
    async with TestKit("system") as kit:
        made, log, _ = plan([Step("double"), Step("sink", raise_always(DatasetError("no")))])
        result = await finished(kit, made, log)
        assert result.status == "failed"
        completed = {event.result.stage for event in log.events if isinstance(event, StageCompleted)}
        assert {stage.stage for stage in result.stages} == completed


class Unable(Step):
    """A stage that gets to its end and says that it failed."""

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        return StageResult(stage=self.name, status="failed", reason="nothing to compare")


async def test_a_stage_that_says_it_failed_fails_the_run_once_those_after_it_are_done() -> None:
    async with TestKit() as kit:
        made, log, _ = plan((Unable("double"), sink := Step("sink")))
        await kit.spawn(lambda: ExperimentSupervisor(made), name="run").tell(Start())
        result = await log.result()
        assert (result.status, result.failure) == ("failed", "double: nothing to compare")
        assert result.failure_kind == "stage"
        assert [(each.stage, each.status) for each in result.stages][-2:] == [
            ("double", "failed"),
            ("sink", "completed"),
        ]
        assert len(sink.ids) == 3


async def test_cancel_ends_a_run_that_would_never_end() -> None:
    class Endless(Source):
        async def batches(self) -> AsyncIterator[tuple[Sample, ...]]:
            while True:
                yield (Sample(example=Example(id="x", input="x")),)
                await asyncio.sleep(0)

    async with TestKit("system") as kit:
        made, log, _ = plan([Step("double"), Step("sink")])
        endless = Endless(1)
        first = StagePlan(name="load", build=lambda wiring, tally: SourceActor(wiring, endless, tally))
        made = dataclasses.replace(made, stages=(first, *made.stages[1:]))
        ref = kit.spawn(lambda: ExperimentSupervisor(made), name="run")
        await ref.tell(Start())
        await ref.tell(Cancel(reason="enough"))
        result = await log.result()
        assert (result.status, result.failure) == ("cancelled", "enough")


async def test_the_result_is_stored_and_files_are_closed_however_the_run_ends() -> None:
    done: list[str] = []
    async with TestKit("system") as kit:
        made, log, _ = plan(
            [Step("double", raise_always(DatasetError("no"))), Step("sink")],
            close=lambda: done.append("closed"),
            save=lambda result: done.append(result.status),
        )
        await finished(kit, made, log)
    assert done == ["closed", "failed"]


def final(exporter: Exporter) -> dict[int, Span]:
    return {span.id: span for span in exporter.spans if span.status != "open"}


async def test_every_span_has_its_parent_up_to_the_run() -> None:
    async with TestKit("system") as kit:
        made, log, exporter = plan([Step("double"), Step("sink")], started_at="2026-01-02T03:04:05+00:00")
        await finished(kit, made, log)
        spans = final(exporter)
        (run,) = (span for span in spans.values() if span.parent_id is None)
        assert (run.kind, run.attributes["run"], run.status) == ("run", "r", "ok")
        assert run.attributes["started_at"] == "2026-01-02T03:04:05+00:00"
        stages = {span.id: span for span in spans.values() if span.parent_id == run.id}
        assert {span.kind for span in stages.values()} == {"stage"}
        batches = [span for span in spans.values() if span.kind == "batch"]
        assert len(batches) == 11  # 3 for each stage, and what the last two do at their end
        assert all(stages[span.parent_id or 0].name == span.lane for span in batches)


async def test_run_and_stages_are_in_the_trace_from_their_beginning() -> None:
    async with TestKit("system") as kit:
        made, log, exporter = plan([Step("double"), Step("sink")])
        await finished(kit, made, log)
        begun = [span for span in exporter.spans if span.status == "open"]
        assert begun[0].kind == "run"
        assert {span.name for span in begun[1:]} == set(NAMES)
        assert {span.id for span in begun} <= set(final(exporter))


async def test_the_span_of_a_failed_stage_shows_why_and_the_batch_that_did_it() -> None:
    async with TestKit("system") as kit:
        made, log, exporter = plan([Step("double", raise_always(DatasetError("is bad"))), Step("sink")])
        await finished(kit, made, log)
        by_name = {(span.kind, span.name): span for span in final(exporter).values()}
        failed = by_name["stage", "double"]
        assert (failed.status, failed.attributes["error"]) == ("error", "is bad")
        assert by_name["run", "x"].status == "error"
        batch = by_name["batch", "double"]
        assert (batch.status, batch.attributes["error.type"]) == ("error", "DatasetError")
        assert batch.parent_id == failed.id
        assert failed.start_s <= batch.start_s
        assert batch.end_s <= failed.end_s


async def test_stages_of_a_cancelled_run_are_told_as_cancelled() -> None:
    at_work = asyncio.Event()

    class Endless(Step):
        async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
            at_work.set()
            await asyncio.Event().wait()
            return samples

    async with TestKit("system") as kit:
        made, log, exporter = plan([Endless("double"), Step("sink")])
        ref = kit.spawn(lambda: ExperimentSupervisor(made), name="run")
        await ref.tell(Start())
        await at_work.wait()
        await ref.tell(Cancel(reason="enough"))
        await log.result()
        spans = final(exporter)
        told = {span.name: span.status for span in spans.values() if span.kind in ("run", "stage")}
        assert (told["x"], told["double"]) == ("cancelled", "cancelled")
        assert "sink" not in told  # it never began
        assert all(span.parent_id in spans for span in spans.values() if span.parent_id is not None)
