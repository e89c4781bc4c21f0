"""The actors around the stages: order, counting, restarts, the messages they pass on."""

import itertools
from array import array
from collections.abc import AsyncIterator, Sequence

from crucible.actors.runtime import ActorRef, RestartIntensity, SupervisionPolicy
from crucible.actors.stage import SourceActor, StageActor, Tally, Wiring, Work
from crucible.messages.control import Progress, StageCompleted, StageStarted, Start
from crucible.messages.flow import Batch, EndOfStream, Sample, StageResult
from crucible.messages.records import Example
from crucible.messages.trace import Decision, Span
from crucible.testing import Probe, TestKit


def samples(*names: str) -> tuple[Sample, ...]:
    return tuple(Sample(example=Example(id=name, input=name)) for name in names)


class KeepEven:
    """Keeps every second sample; crashes on request, before it counts anything."""

    restartable = True

    def __init__(self, crashes: int = 0) -> None:
        self.crashes = crashes
        self.seen = 0

    async def process(self, batch: Sequence[Sample]) -> Sequence[Sample]:
        if self.crashes:
            self.crashes -= 1
            raise ZeroDivisionError("a bug")
        self.seen += len(batch)
        return batch[::2]

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        names = [result.stage for result in upstream]
        return StageResult(stage="even", status="completed", metrics={"seen": self.seen, "upstream": names})


def spawn(kit: TestKit, work: Work) -> tuple[Probe, Probe, ActorRef]:
    supervisor, following, ticks = kit.probe("supervisor"), kit.probe("next"), itertools.count()
    wiring = Wiring(
        stage="even",
        supervisor=supervisor.ref,
        downstream=following.ref,
        now=lambda: float(next(ticks)),
    )
    tally = Tally()
    ref = kit.spawn(
        lambda: StageActor(wiring, work, tally),
        name="even",
        redeliver=True,
        policy=SupervisionPolicy(intensity=RestartIntensity(max_restarts=5)),
    )
    return supervisor, following, ref


async def test_what_remains_of_a_batch_goes_on_then_the_result_then_the_end() -> None:
    async with TestKit() as kit:
        _, following, ref = spawn(kit, KeepEven())
        await ref.tell(Batch(index=0, samples=samples("a", "b", "c")))
        await ref.tell(EndOfStream(batches=1, samples=3))
        assert (await following.expect(Batch)).samples == samples("a", "c")
        result = await following.expect(StageResult)
        assert (result.received, result.emitted, result.metrics["seen"]) == (3, 2, 3)
        assert await following.expect(EndOfStream) == EndOfStream(batches=1, samples=2)


async def test_the_supervisor_hears_of_start_progress_and_completion() -> None:
    async with TestKit() as kit:
        supervisor, _, ref = spawn(kit, KeepEven())
        await ref.tell(Batch(index=0, samples=samples("a")))
        await ref.tell(EndOfStream(batches=1, samples=1))
        assert await supervisor.expect(StageStarted) == StageStarted(stage="even")
        assert (await supervisor.expect(Progress)).done == 1
        assert (await supervisor.expect(Progress)).total == 1
        assert (await supervisor.expect(StageCompleted)).result.stage == "even"


async def test_results_of_earlier_stages_are_passed_on_and_known_at_the_end() -> None:
    async with TestKit() as kit:
        _, following, ref = spawn(kit, KeepEven())
        earlier = StageResult(stage="load", status="completed")
        await ref.tell(earlier)
        await ref.tell(EndOfStream(batches=0, samples=0))
        assert await following.expect(StageResult) == earlier
        assert (await following.expect(StageResult)).metrics["upstream"] == ["load"]


async def test_a_crashed_stage_takes_the_batch_in_hand_again_and_loses_no_count() -> None:
    async with TestKit() as kit:
        work = KeepEven()
        _, following, ref = spawn(kit, work)
        await ref.tell(Batch(index=0, samples=samples("a", "b")))
        await following.expect(Batch)
        work.crashes = 2
        await ref.tell(Batch(index=1, samples=samples("c", "d")))
        await ref.tell(EndOfStream(batches=2, samples=4))
        assert (await following.expect(Batch)).samples == samples("c")
        result = await following.expect(StageResult)
        assert (result.received, result.emitted, result.metrics["seen"]) == (4, 2, 4)


class Remembers(KeepEven):
    """Holds something of every sample, and lets go of it when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held = array("q")
        self.failing = False

    async def process(self, batch: Sequence[Sample]) -> Sequence[Sample]:
        self.held.extend(range(len(batch)))
        return batch

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        if self.failing:
            self.failing = False
            raise ZeroDivisionError("a bug")
        return StageResult(stage="even", status="completed", metrics={"held": len(self.held)})

    def release(self) -> None:
        self.held = array("q")


async def test_a_work_lets_go_of_what_it_held_once_its_result_was_handed_on() -> None:
    async with TestKit() as kit:
        work = Remembers()
        work.failing = True  # a first try to finish must not let go
        _, following, ref = spawn(kit, work)
        await ref.tell(Batch(index=0, samples=samples("a", "b")))
        await following.expect(Batch)
        assert len(work.held) == 2
        await ref.tell(EndOfStream(batches=1, samples=2))
        assert (await following.expect(StageResult)).metrics["held"] == 2
        await ref.stop()
        assert len(work.held) == 0


class Three:
    """A source of three batches."""

    total = 3

    async def batches(self) -> AsyncIterator[tuple[Sample, ...]]:
        for name in "abc":
            yield samples(name)

    async def finish(self) -> StageResult:
        return StageResult(stage="load", status="completed")


async def test_a_source_sends_its_batches_in_order_and_ends_the_stream() -> None:
    async with TestKit() as kit:
        supervisor, following = kit.probe("supervisor"), kit.probe("next")
        wiring = Wiring(stage="load", supervisor=supervisor.ref, downstream=following.ref)
        ref = kit.spawn(lambda: SourceActor(wiring, Three(), Tally()), name="load")
        await ref.tell(Start())
        batches = [await following.expect(Batch) for _ in range(3)]
        assert [(batch.index, batch.samples[0].example.id) for batch in batches] == [
            (0, "a"),
            (1, "b"),
            (2, "c"),
        ]
        assert (await following.expect(StageResult)).emitted == 3
        assert (await following.expect(EndOfStream)).samples == 3


async def test_what_a_work_decided_in_a_batch_is_told_with_its_span() -> None:
    class Deciding(KeepEven):
        def take_decisions(self) -> tuple[Decision, ...]:
            return (Decision(kind="filter", chosen="remove", subject="b"),)

    async with TestKit() as kit:
        trace, tally = kit.probe(), Tally()
        wiring = Wiring(stage="even", supervisor=kit.probe().ref, trace=trace.ref, span=5)
        ref = kit.spawn(lambda: StageActor(wiring, Deciding(), tally))
        await ref.tell(Batch(index=4, samples=samples("a", "b")))
        span = await trace.expect(Span)
        assert (span.kind, span.parent_id, span.decisions[0].subject) == ("batch", 5, "b")
        assert span.attributes == {"rows": 2, "batch": 4, "kept": 1}
