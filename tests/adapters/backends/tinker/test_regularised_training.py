"""Training with regularisers over the unmodified SDK: steps go along the gradient of the whole loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crucible.actors.training_loop import Rows, train
from crucible.messages.errors import BackendError
from crucible.messages.training import TrainingConfig

from ..support import row
from .model import Base, Lora
from .support import MARKS, Tenant, batch, opened, steps

pytestmark = MARKS
TERMS = [{"term": "kl_k3", "weight": 0.8}, {"term": "confidence", "weight": 0.5}]
SGD: dict[str, Any] = {"lora_rank": 1, "eps": 1.0}
"""Adam that hardly normalises: tiny gradients stay tiny, so that differences do not blow up."""


class Replica:
    """The model of the service, in this process, trained by finite differences of a loss written out here."""

    def __init__(self, tokenizer: Path, seed: int) -> None:
        from tokenizers import Tokenizer

        self.texts = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
        self.base = Base(self.texts.get_vocab_size())
        self.lora = Lora(self.base, 1, seed)
        self.end = self.texts.token_to_id("<|end|>")

    def row(self, prompt: str, answer: str) -> tuple[Any, Any, Any]:
        first = self.texts.encode(prompt).ids
        tokens = np.asarray([*first, *self.texts.encode(answer, add_special_tokens=False).ids, self.end])
        mask = np.arange(1, len(tokens)) >= len(first)
        return tokens[:-1], tokens[1:], mask

    def chosen(self, lora: Lora, tokens: Any, targets: Any, mask: Any) -> Any:
        return lora.logprobs(tokens)[np.arange(len(targets)), targets][mask]

    def loss(self, rows: list[tuple[Any, Any, Any]]) -> float:
        """Cross-entropy, 0.8 times k3 against the base model, 0.5 times the confidence penalty."""
        total, bare = 0.0, Lora(self.base, 1, 0)
        for each in rows:
            l, r = self.chosen(self.lora, *each), self.chosen(bare, *each)  # noqa: E741
            total += float((-l + 0.8 * (np.exp(r - l) - 1 - (r - l)) + 0.5 * np.exp(l) * l).sum())
        return total

    def gradient(self, loss: Callable[[], float]) -> dict[str, Any]:
        found = {}
        for name, values in self.lora.params.items():
            slope = np.zeros_like(values)
            for index in np.ndindex(values.shape):
                kept = values[index]
                values[index] = kept + 1e-5
                above = loss()
                values[index] = kept - 1e-5
                slope[index] = (above - loss()) / 2e-5
                values[index] = kept
            found[name] = slope
        return found


async def test_a_step_is_one_along_the_gradient_of_the_whole_loss(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    examples = [row(1, text="Short.", reference="CLAIM[c1]: Tea."), row(2, text="Of tea?", reference="Tea.")]
    replica = Replica(tokenizer, seed=3)
    rows = [replica.row(each.input, each.reference or "") for each in examples]
    async with opened(tokenizer, tmp_path, regularisers=TERMS, **SGD) as session:
        for _ in range(2):
            step = await (await session.submit_step(examples, 0.3)).result()
            at = sum(float(-replica.chosen(replica.lora, *each).sum()) for each in rows)
            assert step.loss_sum == pytest.approx(at, rel=1e-4)  # where the step began
            given = {"learning_rate": 0.3, "eps": 1.0}
            replica.lora.adam.apply(replica.lora.params, replica.gradient(lambda: replica.loss(rows)), given)
        at = sum(float(-replica.chosen(replica.lora, *each).sum()) for each in rows)
        after = (await session.evaluate(examples)).loss_sum
    assert after == pytest.approx(at, rel=1e-4)
    assert step.loss_sum > 1.02 * after  # it has moved, so that agreeing means something
    async with opened(tokenizer, tmp_path, **SGD) as session:
        for _ in range(2):
            await (await session.submit_step(examples, 0.3)).result()
        plain = (await session.evaluate(examples)).loss_sum
    assert abs(plain - after) > 100 * abs(after - at)  # and the terms have moved it elsewhere
    assert tenant.counts()["asample"] == 2  # the reference is asked once a row, for all steps


async def test_terms_and_gradient_norms_are_reported_for_every_step(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    rows = Rows(lambda numbers: [row(n, text=f"Row {n}.") for n in numbers], 6)
    config = TrainingConfig(epochs=2, batch_size=2, learning_rate=0.05, shuffle=False)

    async def report(*_told: Any) -> None: ...

    async with opened(
        tokenizer, tmp_path, regularisers=[*TERMS, {"term": "drift_l2", "weight": 0.1}]
    ) as session:
        outcome = await train(session, rows, Rows(rows._read, 2), config, seed=1, report=report)
        figures = session.figures()
    points = [point for point in outcome.losses if point.split == "train"]
    assert len(points) == 6
    for point in points:
        names = [term.name for term in point.terms]
        assert names == ["cross_entropy", "kl_k3", "confidence", "drift_l2"]
        assert point.terms[0].value == pytest.approx(point.loss)
        assert point.terms[0].gradient_norm == pytest.approx(point.weight**0.5)
    first, last = points[0].terms, points[-1].terms
    assert (first[1].value, first[1].gradient_norm) == pytest.approx((0.0, 0.0), abs=1e-4)  # nothing learned
    assert last[1].value > 0.01
    assert last[1].gradient_norm > 0.01
    assert not any(point.terms for point in outcome.losses if point.split == "validation")
    assert figures["regulariser_tokens"] > figures["train_tokens"]  # the model's, and the reference's once
    assert tenant.counts()["forward_backward"] == 6 + 6 + 3  # two passes a step, and three held-out losses


@pytest.mark.usefixtures("tenant")
async def test_a_penalty_on_drift_keeps_the_model_near_its_base(tokenizer: Path, tmp_path: Path) -> None:
    drifts = []
    for weight in (1e-6, 20.0):
        term = {"term": "drift_l2", "weight": weight}
        async with opened(tokenizer, tmp_path, regularisers=[term]) as session:
            for _ in range(8):
                step = await (await session.submit_step(batch(1), 0.05)).result()
            drifts.append(step.terms[1].value)
    assert drifts[1] < 0.1 * drifts[0]


async def test_a_run_with_regularisers_recovers_as_one_without(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path, regularisers=TERMS) as session:
        whole = await steps(session, 0, 5)
    forward = {"at": "job:Forward", "from": 2, "failed": "server"}
    backward = {"at": "job:ForwardBackward", "from": 4, "failed": "server"}
    tenant.control(faults=[forward, backward])
    async with opened(tokenizer, tmp_path, regularisers=TERMS) as session:
        assert await steps(session, 0, 5) == whole
        assert session.figures()["recoveries"] == 2


@pytest.mark.usefixtures("tenant")
async def test_the_reference_may_be_saved_weights(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await steps(session, 0, 4)
        await session.save_checkpoint("a", step=4, epoch=1, loss=None)
        path = next(iter(tmp_path.glob("*a*"))).read_text()
    sampler = path.split('"sampler_path":')[1].split('"')[1]
    term = {"term": "kl_k3", "weight": 1.0}
    async with opened(tokenizer, tmp_path, regularisers=[term], reference_path=sampler) as session:
        step = await session.train_step(batch(1))
    assert step.terms[1].value > 0.01  # the untrained model is not that reference


async def test_a_reference_that_cannot_be_had_fails_the_step(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    gone = "tinker://nobody/sampler_weights/x"
    term = {"term": "kl_k3", "weight": 1.0}
    given: dict[str, Any] = {"regularisers": [term], "reference_path": gone, "recovery_attempts": 1}
    async with opened(tokenizer, tmp_path, **given) as session:
        with pytest.raises(Exception, match="no weights tinker://nobody"):
            await session.train_step(batch(1))
    assert tenant.counts()["optim_step"] == 0


@pytest.mark.usefixtures("tenant")
async def test_a_reference_is_asked_again_when_the_sampler_falls_over(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    term = {"term": "kl_k3", "weight": 1.0}
    async with opened(tokenizer, tmp_path, regularisers=[term]) as session:
        tenant.control(faults=[{"at": "job:Sample", "failed": "server"}])
        step = await session.train_step(batch(1))
    assert step.terms[1].value == pytest.approx(0.0, abs=1e-4)


@pytest.mark.usefixtures("tenant")
async def test_rows_leave_room_for_the_reference_in_the_context(tokenizer: Path, tmp_path: Path) -> None:
    term = {"term": "kl_k3", "weight": 1.0}
    async with opened(tokenizer, tmp_path, base_model="tiny/short", regularisers=[term]) as session:
        step = await session.train_step([row(1)])
        assert step.terms[1].value == pytest.approx(0.0, abs=1e-4)
        assert session.figures()["rows_truncated"] == 1


@pytest.mark.usefixtures("tenant")
async def test_a_term_that_is_not_finite_ends_training_before_the_optimiser_steps(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    term = {"term": "kl_k3", "weight": 1.0}
    async with opened(tokenizer, tmp_path, regularisers=[term]) as session:
        await steps(session, 0, 1)
        await steps(session, 1, 2, rate=1e6)  # throws the weights far away
        with pytest.raises(BackendError, match="regulariser 'kl_k3' is"):
            await steps(session, 2, 4, rate=1e6)
