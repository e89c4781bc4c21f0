"""The training loop: order of work, submitting ahead, checkpoints within an epoch, going on after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.actors.ports import PendingStep, QueuedSession
from crucible.actors.training_loop import Rows, TrainingOutcome, train
from crucible.actors.training_record import read_record, write_record
from crucible.messages.errors import BackendError, BudgetError, InputError, StageError
from crucible.messages.records import CheckpointRef, Example, TrainStep
from crucible.messages.training import TrainingConfig, TrainingRecord

TEN = TrainingConfig(epochs=2, batch_size=2, learning_rate=0.5, schedule="constant", warmup_steps=0)


class Averager:
    """Learns one number, the mean of the rows' lengths; everything it is asked is written down."""

    def __init__(self) -> None:
        self.value = self.gradient = 0.0
        self.saved: dict[str, float] = {}
        self.calls: list[str] = []

    def _loss(self, batch: Sequence[Example]) -> TrainStep:
        gaps = [len(example.input) - self.value for example in batch]
        return TrainStep(loss_sum=sum(g * g for g in gaps), weight_sum=len(gaps), examples=len(gaps))

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        self.calls.append("train " + " ".join(example.id for example in batch))
        step = self._loss(batch)
        self.gradient = sum(len(example.input) - self.value for example in batch) / len(batch)
        return step

    async def optim_step(self, learning_rate: float) -> None:
        self.value += learning_rate * self.gradient

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        self.calls.append("evaluate")
        return self._loss(batch)

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        self.calls.append(f"save {name}")
        self.saved[name] = self.value
        return CheckpointRef(name=name, uri=str(self.value), step=step, epoch=epoch, loss=loss)

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        self.value = float(ref.uri)

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to release."""


class Distant(Averager):
    """The same behind a queue: nothing is computed before its result is asked for."""

    ahead = 2
    notice = ""

    def __init__(self) -> None:
        super().__init__()
        self.deepest = self.waiting = 0

    async def submit_step(self, batch: Sequence[Example], learning_rate: float) -> PendingStep:
        session, calls = self, self.calls
        calls.append("submit")
        self.waiting += 1
        self.deepest = max(self.deepest, self.waiting)

        class Pending:
            async def result(self) -> TrainStep:
                session.waiting -= 1
                step = await session.train_step(batch)
                await session.optim_step(learning_rate)
                return step

        return Pending()

    def figures(self) -> dict[str, Any]:
        return {}


def rows(*lengths: int) -> Rows:
    made = [Example(id=str(n), input="x" * n, reference="y") for n in lengths]
    return Rows(lambda numbers: [made[n] for n in numbers], len(made))


async def trained(
    session: Averager, config: TrainingConfig = TEN, *, seed: int = 1, **given: Any
) -> TrainingOutcome:
    async def report(_done: int, _total: int, _note: str) -> None:
        """Nobody looks."""

    training, held_out = given.pop("training", rows(*range(1, 11))), given.pop("held_out", rows(4, 5))
    return await train(session, training, held_out, config, seed=seed, report=report, **given)


async def test_steps_are_submitted_ahead_and_change_nothing_in_the_result() -> None:
    near, distant = Averager(), Distant()
    assert await trained(near) == await trained(distant)
    assert distant.deepest == 3
    assert near.value == distant.value
    assert isinstance(distant, QueuedSession)
    assert not isinstance(near, QueuedSession)


async def test_nothing_is_on_its_way_when_a_loss_is_taken_or_a_checkpoint_saved() -> None:
    class Watchful(Distant):
        async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
            assert self.waiting == 0
            return await super().evaluate(batch)

        async def save_checkpoint(self, name: str, **given: Any) -> CheckpointRef:
            assert self.waiting == 0
            return await super().save_checkpoint(name, **given)

    config = msgspec.structs.replace(TEN, evaluate_every_steps=2, checkpoint_every_steps=3)
    session = Watchful()
    outcome = await trained(session, config)
    assert [ref.name for ref in outcome.checkpoints] == ["step-3", "epoch-1", "step-6", "step-9", "epoch-2"]
    assert [p.step for p in outcome.losses if p.split == "validation"] == [0, 2, 4, 5, 6, 8, 10]


async def test_a_step_that_waits_shows_what_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crucible.actors.training_loop.NOTICE_S", 0.001)
    told, seen = list[str](), asyncio.Event()

    class Paused(Distant):
        async def train_step(self, batch: Sequence[Example]) -> TrainStep:
            self.notice = "paused: no capacity"
            await seen.wait()
            self.notice = ""
            return await super().train_step(batch)

    async def report(_done: int, _total: int, note: str) -> None:
        told.append(note)
        if "no capacity" in note:
            seen.set()

    await train(Paused(), rows(1, 2), rows(), TEN, seed=1, report=report)
    assert told[0] == "paused: no capacity"
    assert told[-1].startswith("loss ")


@pytest.mark.parametrize("kind", [Averager, Distant])
@pytest.mark.parametrize("last", [0, 1, 2, 3])
async def test_going_on_from_any_checkpoint_equals_an_undisturbed_training(
    kind: type[Averager], last: int, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(TEN, checkpoint_every_steps=3)
    records = list[TrainingRecord]()
    whole = await trained(kind(), config, save=records.append)
    write_record(tmp_path / "checkpoints", records[last])
    session = kind()
    resumed = await trained(session, config, resume=read_record(str(tmp_path)))
    assert resumed.resumed_at == records[last].steps
    assert sum(call.startswith("train") for call in session.calls) == 10 - records[last].steps
    resumed.resumed_at = None
    assert resumed == whole


async def test_patience_counts_across_a_restart() -> None:
    config = msgspec.structs.replace(TEN, epochs=9, patience=2)
    records = list[TrainingRecord]()
    whole = await trained(Averager(), config, save=records.append)
    assert whole.stopped_early
    resumed = await trained(Averager(), config, resume=records[-2])
    assert resumed.steps == whole.steps
    assert (await trained(Averager(), config, resume=records[-1])).steps == whole.steps


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"training": rows(*range(2, 12))}, {"training": rows(*range(1, 9))}]
)
async def test_a_record_of_another_training_is_refused(change: dict[str, Any]) -> None:
    records = list[TrainingRecord]()
    await trained(Averager(), save=records.append)
    with pytest.raises(InputError, match="resume: that run trained on other rows"):
        await trained(Averager(), resume=records[0], **change)


def test_a_folder_without_a_record_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"resume: .*expected the folder of a run"):
        read_record(str(tmp_path))
    (tmp_path / "training.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"training\.json: cannot be read"):
        read_record(str(tmp_path))


class Diverging(Averager):
    """Its loss is no number in the sixth step and after it."""

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        step = await super().train_step(batch)
        steps = sum(call.startswith("train") for call in self.calls)
        return step if steps < 6 else msgspec.structs.replace(step, loss_sum=float("nan"))


async def test_a_loss_that_is_no_number_ends_training_and_names_the_last_good_checkpoint() -> None:
    session = Diverging()
    config = msgspec.structs.replace(TEN, checkpoint_every_steps=2)
    with pytest.raises(StageError, match="training loss is nan at step 6") as raised:
        await trained(session, config)
    assert f"the last good checkpoint is {session.saved['epoch-1']}" in str(raised.value)
    assert list(session.saved) == ["step-2", "step-4", "epoch-1"]


class Refusing(Averager):
    """Its optimiser refuses the sixth step."""

    refusal: BackendError = BackendError("the gradient's length is inf")

    async def optim_step(self, learning_rate: float) -> None:
        if sum(call.startswith("train") for call in self.calls) == 6:
            raise self.refusal
        await super().optim_step(learning_rate)


async def test_a_step_that_the_backend_refuses_names_the_last_good_checkpoint_too() -> None:
    session = Refusing()
    with pytest.raises(BackendError) as raised:
        await trained(session, msgspec.structs.replace(TEN, checkpoint_every_steps=2))
    last = session.saved["epoch-1"]
    assert str(raised.value) == f"the gradient's length is inf; the last good checkpoint is {last}"
    with pytest.raises(BackendError, match=r"inf$"):
        await trained(Refusing(), msgspec.structs.replace(TEN, epochs=1, batch_size=1))


async def test_a_run_without_money_says_just_that() -> None:
    session = Refusing()
    session.refusal = BudgetError("no money left")
    with pytest.raises(BudgetError, match=r"^no money left$"):
        await trained(session, msgspec.structs.replace(TEN, checkpoint_every_steps=2))


async def test_the_checkpoints_of_a_run_that_was_moved_are_those_beside_its_record(tmp_path: Path) -> None:
    records = list[TrainingRecord]()
    await trained(Averager(), save=records.append)
    (here, there) = (CheckpointRef(name=n, uri=f"/gone/{n}.json", step=5, epoch=1) for n in ("here", "there"))
    write_record(tmp_path, msgspec.structs.replace(records[0], checkpoints=(here, there)))
    (tmp_path / "here.json").touch()
    found = read_record(str(tmp_path)).checkpoints
    assert [ref.uri for ref in found] == [str(tmp_path / "here.json"), "/gone/there.json"]


async def test_rows_that_are_all_left_out_are_bad_input() -> None:
    class Choosy(Averager):
        def _loss(self, batch: Sequence[Example]) -> TrainStep:
            return TrainStep(loss_sum=0.0, weight_sum=0.0)

    with pytest.raises(InputError, match="left all 10 training rows out, as too long"):
        await trained(Choosy())
