"""backend_call: gate, order, joining by id, retries, failures, training; with the mock backend."""

from pathlib import Path
from typing import Any

import pytest

from crucible.actors.runtime import ActorRef, SupervisionPolicy
from crucible.actors.stage import Tally, Wiring
from crucible.actors.stages.backend_call import (
    BackendCall,
    BackendCallOptions,
    BackendSettings,
    SystemSpec,
)
from crucible.actors.stages.guardrails import OutputGuard
from crucible.adapters.backends.mock import MockBackend
from crucible.adapters.guardrails import GuardOptions, RuleGuard
from crucible.messages.control import Progress, StageCompleted, StageStarted
from crucible.messages.decoding import decode_struct
from crucible.messages.errors import InputError, StageError
from crucible.messages.flow import Batch, EndOfStream, Sample, StageResult
from crucible.messages.records import Example
from crucible.messages.training import TrainingConfig
from crucible.testing import Probe, TestKit


def mock(name: str = "model", training: TrainingConfig | None = None, **options: Any) -> SystemSpec:
    return SystemSpec(
        name=name,
        backend_id="mock",
        backend=MockBackend(),
        options=decode_struct(options, MockBackend.Options),
        training=training or TrainingConfig(),
    )


def rows(count: int, split: str = "all") -> tuple[Sample, ...]:
    examples = (
        Example(id=f"{split}{i}", input=f"row {split}{i}", reference="gold", split=split)  # type: ignore[arg-type]
        for i in range(count)
    )
    return tuple(Sample(example=example) for example in examples)


class Stage:
    """A BackendCall with probes on both sides."""

    def __init__(self, kit: TestKit, folder: Path, model: SystemSpec, **fields: Any) -> None:
        self.kit = kit
        self.supervisor: Probe = kit.probe("supervisor")
        self.next: Probe = kit.probe("next")
        options = BackendCallOptions(**fields.pop("options", {"backoff_s": 0.0}))
        settings = BackendSettings(
            model=model,
            baselines=fields.pop("baselines", ()),
            options=options,
            evaluate=fields.pop("evaluate", "all"),
            experiment_id="x",
            seed=3,
            workdir=folder,
            guard=fields.pop("guard", None),
        )
        wiring = Wiring(stage="backend_call", supervisor=self.supervisor.ref, downstream=self.next.ref)
        self.ref: ActorRef = kit.spawn(
            lambda: BackendCall(wiring, settings, Tally()),
            name="backend_call",
            policy=SupervisionPolicy(decider=lambda _error: "stop"),
        )

    async def feed(self, *batches: tuple[Sample, ...]) -> None:
        for index, batch in enumerate(batches):
            await self.ref.tell(Batch(index=index, samples=batch))
        total = sum(len(batch) for batch in batches)
        await self.ref.tell(EndOfStream(batches=len(batches), samples=total))

    async def outcome(self) -> tuple[list[Sample], StageResult]:
        got: list[Sample] = []
        while True:
            message = await self.next.expect(object)
            if isinstance(message, Batch):
                got.extend(message.samples)
            elif isinstance(message, StageResult):
                return got, message

    async def failure(self) -> BaseException:
        self.supervisor.watch(self.ref)
        while True:
            message = await self.supervisor.expect(object)
            if not isinstance(message, (StageStarted, Progress, StageCompleted)):
                reason: BaseException = message.reason  # type: ignore[attr-defined]  # Terminated
                return reason


async def test_outputs_are_joined_to_their_examples_and_keep_the_order_of_the_rows(tmp_path: Path) -> None:
    async with TestKit("system") as kit:
        slow_first = [30.0, 0.0, 5.0]
        stage = Stage(kit, tmp_path, mock(default="echo", latency_ms=slow_first))
        await stage.feed(rows(40)[:20], rows(40)[20:])
        samples, result = await stage.outcome()
        assert [sample.example.id for sample in samples] == [f"all{i}" for i in range(40)]
        assert all(sample.outputs[0].text == sample.example.input for sample in samples)
        assert all(sample.outputs[0].example_id == sample.example.id for sample in samples)
        assert result.metrics["systems"]["model"]["asked"] == 40


async def test_nothing_is_asked_before_the_last_row_has_passed_the_checks(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(default="echo"))
        await stage.ref.tell(Batch(index=0, samples=rows(4)))
        await kit.quiescent()
        assert stage.next.messages == []
        await stage.ref.tell(EndOfStream(batches=1, samples=4))
        samples, _ = await stage.outcome()
        assert len(samples) == 4


async def test_without_the_gate_rows_are_answered_as_they_come(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(default="echo"), options={"gate": False})
        await stage.ref.tell(Batch(index=0, samples=rows(2)))
        assert len((await stage.next.expect(Batch)).samples) in (1, 2)


async def test_baselines_answer_the_same_examples(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(default="A"), baselines=(mock("base", default="B"),))
        await stage.feed(rows(3))
        samples, _ = await stage.outcome()
        assert [[(o.system, o.text) for o in s.outputs] for s in samples] == [
            [("model", "A"), ("base", "B")]
        ] * 3


async def test_a_transient_failure_is_retried_and_counted(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(fail_first_attempts=2, fail_with="overloaded"))
        await stage.feed(rows(3))
        samples, result = await stage.outcome()
        assert [sample.outputs[0].attempts for sample in samples] == [3, 3, 3]
        assert result.metrics["systems"]["model"]["retries"] == 6


async def test_a_request_that_fails_for_good_leaves_its_error_in_the_output(tmp_path: Path) -> None:
    async with TestKit() as kit:
        options = {"max_failed": 1.0, "backoff_s": 0.0}
        stage = Stage(kit, tmp_path, mock(errors={"bad_request": 1.0}), options=options)
        await stage.feed(rows(2))
        samples, result = await stage.outcome()
        assert samples[0].outputs[0].error == "BackendError: mock: scripted error bad_request"
        assert samples[0].outputs[0].text == ""
        assert result.metrics["systems"]["model"]["failed"] == 2


async def test_too_many_failures_fail_the_stage_with_the_first_error(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(errors={"bad_request": 1.0}))
        await stage.feed(rows(2))
        error = await stage.failure()
        assert isinstance(error, StageError)
        assert "model: BackendError: mock: scripted error bad_request" in str(error)
        assert "(1 of 2 requests failed, more than max_failed = 0.1)" in str(error)


async def test_only_the_chosen_split_is_asked(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(default="echo"), evaluate="test")
        await stage.feed(rows(3, "train") + rows(2, "test"))
        samples, result = await stage.outcome()
        assert [sample.example.id for sample in samples] == ["test0", "test1"]
        assert result.metrics["not_asked"] == 3


async def test_an_empty_split_is_bad_input(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(), evaluate="test")
        await stage.feed(rows(3, "train"))
        error = await stage.failure()
        assert isinstance(error, InputError)
        assert str(error).startswith("no row is in split 'test'")


async def test_training_runs_all_steps_and_the_best_checkpoint_is_chosen(tmp_path: Path) -> None:
    async with TestKit() as kit:
        training = TrainingConfig(epochs=2, batch_size=4)
        model = mock(
            training=training, losses=[4.0, 3.0, 2.0, 1.0], held_out_losses=[9.0, 9.0, 5.0, 5.0, 7.0]
        )
        stage = Stage(kit, tmp_path, model, options={"mode": "train_then_sample"}, evaluate="test")
        await stage.feed(rows(8, "train") + rows(2, "validation") + rows(1, "test"))
        samples, result = await stage.outcome()
        assert [sample.example.id for sample in samples] == ["test0"]
        assert [p.loss for p in result.losses if p.split == "train"] == [4.0, 3.0, 2.0, 1.0]
        assert [p.loss for p in result.losses if p.split == "validation"] == [9.0, 5.0, 7.0]
        assert result.metrics["training"]["checkpoint"] == "epoch-1"
        assert result.metrics["training"]["epoch_losses"] == [
            {"epoch": 1, "train": 3.5, "validation": 5.0},
            {"epoch": 2, "train": 1.5, "validation": 7.0},
        ]


async def test_patience_stops_training_early(tmp_path: Path) -> None:
    async with TestKit() as kit:
        training = TrainingConfig(epochs=9, batch_size=4, patience=1)
        model = mock(training=training, losses=[1.0], held_out_losses=[5.0, 4.0, 4.5])
        stage = Stage(kit, tmp_path, model, options={"mode": "train"})
        await stage.feed(rows(4, "train") + rows(2, "validation"))
        _, result = await stage.outcome()
        assert (result.metrics["training"]["epochs"], result.metrics["training"]["stopped_early"]) == (
            2,
            True,
        )


async def test_patience_without_held_out_rows_is_bad_input(tmp_path: Path) -> None:
    async with TestKit() as kit:
        model = mock(training=TrainingConfig(epochs=9, batch_size=4, patience=1), losses=[1.0])
        stage = Stage(kit, tmp_path, model, options={"mode": "train"})
        await stage.feed(rows(4, "train"))
        error = await stage.failure()
        assert isinstance(error, InputError)
        assert "backend.options.patience: needs held-out rows" in str(error)


async def test_training_without_training_rows_is_bad_input(tmp_path: Path) -> None:
    async with TestKit() as kit:
        stage = Stage(kit, tmp_path, mock(losses=[1.0]), options={"mode": "train_then_sample"})
        await stage.feed(rows(3))
        error = await stage.failure()
        assert isinstance(error, InputError)
        assert "needs training rows with a reference" in str(error)


@pytest.mark.parametrize(
    ("call", "problem"),
    [("train_step", "training loss is inf at step 1"), ("evaluate", "held-out loss is inf at step 0")],
)
async def test_a_loss_that_is_not_finite_fails_the_stage(tmp_path: Path, call: str, problem: str) -> None:
    class Diverging(MockBackend):
        async def open(self, options: Any, *, seed: int, workdir: Path) -> Any:
            session = await super().open(options, seed=seed, workdir=workdir)
            real = getattr(session, call)

            async def diverge(batch: Any) -> Any:
                import msgspec

                return msgspec.structs.replace(await real(batch), loss_sum=float("inf"))

            setattr(session, call, diverge)
            return session

    async with TestKit() as kit:
        spec = SystemSpec(
            name="m", backend_id="mock", backend=Diverging(), options=MockBackend.Options(losses=(1.0,))
        )
        stage = Stage(kit, tmp_path, spec, options={"mode": "train"})
        await stage.feed(rows(4, "train") + rows(2, "validation"))
        error = await stage.failure()
        assert isinstance(error, StageError)
        assert problem in str(error)


async def test_outputs_are_scanned_and_redacted(tmp_path: Path) -> None:
    async with TestKit() as kit:
        guard = OutputGuard(RuleGuard(GuardOptions(redact="placeholder")))
        stage = Stage(kit, tmp_path, mock(default="mail me: jo.doe@example.org"), guard=guard)
        await stage.feed(rows(1))
        samples, result = await stage.outcome()
        assert "jo.doe@example.org" not in samples[0].outputs[0].text
        assert samples[0].verdicts[0].flagged
        assert samples[0].verdicts[0].system == samples[0].outputs[0].system
        assert result.metrics["guardrails"]["violations"] == 1


@pytest.mark.parametrize("gate", [True, False])
async def test_stopping_in_the_middle_leaves_no_task_and_no_file(tmp_path: Path, *, gate: bool) -> None:
    async with TestKit("system") as kit:
        stage = Stage(kit, tmp_path, mock(latency_ms=60_000.0), options={"gate": gate})
        await stage.feed(rows(5))
        await stage.supervisor.expect(StageStarted)
        await stage.ref.stop(grace=0.01)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
