"""Training over the unmodified SDK: order, losses, checkpoints, what is counted, and the end of a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from crucible.messages.errors import BackendError

from ..support import row
from .support import MARKS, Tenant, batch, opened, steps

pytestmark = MARKS


async def test_the_loss_falls_and_is_the_services_sum_over_the_tokens(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        first = await session.train_step([row(1), row(2)])
        assert first.loss_sum == session.figures()["last_loss_sum"]
        assert first.weight_sum == 2 * (await session.evaluate([row(1)])).weight_sum
        assert 3 < first.loss_sum / first.weight_sum < 7  # the entropy of 400 tokens is 6
        await session.optim_step(0.05)
        for _ in range(20):
            await (await session.submit_step([row(1), row(2)], 0.05)).result()
        assert (await session.evaluate([row(1), row(2)])).loss_sum < 0.3 * first.loss_sum
    assert tenant.counts()["telemetry"] == 0


async def test_the_next_step_is_sent_before_the_last_result_is_asked_for(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        tenant.control(faults=[{"at": "future:ForwardBackward", "try_again": "active", "times": 3}])
        pending = [await session.submit_step(batch(number), 0.01) for number in range(3)]
        await pending[0].result()
        for each in pending[1:]:
            await each.result()
    events = [event["event"] for event in tenant.log()]
    submitted = [event for event in events if event in ("forward_backward", "optim_step")]
    assert submitted == ["forward_backward", "optim_step"] * 3
    assert [asked["seq_id"] for asked in tenant.asked("optim_step")] == [2, 4, 6]


async def test_options_reach_the_service(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    given = {"lora_rank": 5, "train_mlp": False, "beta2": 0.9, "weight_decay": 0.1, "grad_clip_norm": 2.0}
    async with opened(tokenizer, tmp_path, seed=11, checkpoint_ttl_hours=2, **given) as session:
        await steps(session, 0, 1)
        await session.save_checkpoint("a", step=1, epoch=1, loss=None)
    lora = tenant.asked("create_model")[0]["lora_config"]
    assert lora == {
        "rank": 5,
        "seed": 11,
        "train_mlp": False,
        "train_attn": True,
        "train_unembed": True,
    }
    adam = tenant.asked("optim_step")[0]["adam_params"]
    assert (adam["beta1"], adam["beta2"], adam["eps"]) == (0.9, 0.9, 1e-8)
    assert (adam["learning_rate"], adam["weight_decay"], adam["grad_clip_norm"]) == (0.02, 0.1, 2.0)
    for at in ("save_weights", "save_weights_for_sampler"):
        assert tenant.asked(at)[0]["ttl_seconds"] == 7200


@pytest.mark.usefixtures("tenant")
async def test_another_process_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        whole = await steps(session, 0, 6)
    async with opened(tokenizer, tmp_path) as session:
        assert await steps(session, 0, 3) == whole[:3]
        ref = await session.save_checkpoint("half", step=3, epoch=1, loss=None)
    async with opened(tokenizer, tmp_path) as session:
        await session.load_checkpoint(ref)
        assert await steps(session, 3, 6) == whole[3:]


async def test_names_of_two_sessions_never_meet(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        async with opened(tokenizer, tmp_path / folder) as session:
            await steps(session, 0, 1)
            await session.save_checkpoint("epoch-1", step=1, epoch=1, loss=None)
    names = [asked["path"] for asked in tenant.asked("save_weights")]
    assert len(set(names)) == 2
    assert all(name.startswith("epoch-1-") for name in names)
    assert [asked["path"] for asked in tenant.asked("save_weights_for_sampler")] == names


@pytest.mark.usefixtures("tenant")
async def test_a_checkpoint_of_another_model_is_refused(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path, lora_rank=4) as session:
        await steps(session, 0, 1)
        ref = await session.save_checkpoint("a", step=1, epoch=1, loss=None)
    async with opened(tokenizer, tmp_path, lora_rank=8) as session:
        with pytest.raises(BackendError, match=r"checkpoint of tiny/lora with rank 4: expected .* rank 8"):
            await session.load_checkpoint(ref)


async def test_tokens_and_cost_are_counted(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    prices = {"train": 2.0, "prefill": 1.0}
    async with opened(tokenizer, tmp_path, prices=prices) as session:
        await session.evaluate([row()])
        held_out = session.figures()["held_out_tokens"]
        await (await session.submit_step([row()] * 3, 0.01)).result()
        figures = session.figures()
    assert held_out > 100
    assert figures["train_tokens"] == 3 * held_out
    assert figures["cost_usd"] == pytest.approx((3 * held_out * 2 + held_out) / 1e6)
    assert figures["recoveries"] == 0
    assert tenant.asked("finish") == [{"reason": {"type": "success"}, "detail": None}]


@pytest.mark.usefixtures("tenant")
async def test_the_context_of_the_model_limits_rows(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path, base_model="tiny/short") as session:
        step = await session.train_step([row(1), row(2)])
        assert step.weight_sum > 0
        assert session.figures()["rows_truncated"] == 2
    async with opened(tokenizer, tmp_path, base_model="tiny/short", too_long="skip") as session:
        step = await (await session.submit_step([row(1), row(2)], 0.1)).result()
        assert (step.loss_sum, step.weight_sum) == (0.0, 0.0)
        assert session.figures()["rows_skipped"] == 2


@pytest.mark.usefixtures("tenant")
async def test_the_tokenizer_may_come_from_what_the_service_names(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        expected = await session.evaluate([row()])
    async with opened(tokenizer, tmp_path, tokenizer=None) as session:  # the server names the same folder
        assert await session.evaluate([row()]) == expected


async def test_a_cancelled_step_is_given_up_and_the_session_ended(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        tenant.control(faults=[{"at": "future:ForwardBackward", "never": True}])
        pending = await session.submit_step(batch(1), 0.01)
        waiting = asyncio.create_task(pending.result())
        await asyncio.to_thread(tenant.wait, "never:ForwardBackward")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert tenant.asked("finish")[0]["reason"] == {"type": "interrupted"}


async def test_the_queue_state_can_be_read_while_a_step_waits(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await steps(session, 0, 1)
        fault = {"at": "future:ForwardBackward", "try_again": "paused_capacity", "reason": "no room"}
        later = {"at": "future:ForwardBackward", "from": 2, "never": True}
        tenant.control(faults=[fault, later, {"at": "future:OptimStep", "never": True}])
        pending = await session.submit_step(batch(1), 0.01)
        await asyncio.to_thread(tenant.wait, "never:ForwardBackward")
        assert session.notice == "paused: no room"
        del pending


@pytest.mark.usefixtures("tenant")
async def test_weights_that_are_gone_are_told_before_anything_is_asked(
    tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path, model_path="tinker://nobody/sampler_weights/x") as session:
        with pytest.raises(Exception, match="no weights tinker://nobody"):
            await session.sampler()


async def test_a_state_that_cannot_be_saved_fails_the_call(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await steps(session, 0, 1)
        tenant.control(faults=[{"at": "save_weights", "status": 422, "detail": "no such place"}])
        with pytest.raises(BackendError, match="no such place"):
            await session.save_checkpoint("a", step=1, epoch=1, loss=None)
    assert list(tmp_path.iterdir()) == []
    assert tenant.asked("finish")[0]["reason"] == {"type": "errored"}
