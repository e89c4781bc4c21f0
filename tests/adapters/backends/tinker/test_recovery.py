"""When the service fails, a client is made anew and everything since the last saved state is sent again.

Each test compares with the losses of an undisturbed training: none skipped, none counted twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from crucible.messages.errors import BackendError

from .support import KEY, MARKS, Tenant, batch, hang_up, opened, steps

pytestmark = MARKS
COUNT = 5
QUICK = {"retry-after": "0.01"}


@pytest.fixture(scope="module")
def undisturbed(port: int, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of a training that nothing happened to."""

    async def train() -> list[float]:
        url = Tenant(port, "undisturbed").url
        async with opened(tokenizer, tmp_path_factory.mktemp("undisturbed"), base_url=url) as session:
            return await steps(session, 0, COUNT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINKER_API_KEY", KEY)
        losses = asyncio.run(train())
        hang_up()
    return losses


@pytest.mark.parametrize(
    ("faults", "recoveries"),
    [
        ([{"at": "job:ForwardBackward", "from": 3, "failed": "server"}], 1),
        ([{"at": "job:OptimStep", "from": 2, "failed": "unknown"}], 1),
        ([{"at": "future:ForwardBackward", "from": 2, "status": 410}], 1),
        ([{"at": "forward_backward", "from": 3, "lose": True, "status": 410}], 1),
        ([{"at": "optim_step", "from": 4, "lose": True, "status": 404}], 1),
        ([{"at": "forward_backward", "from": 3, "status": 429, "headers": QUICK}], 0),
        ([{"at": "optim_step", "from": 3, "status": 500, "times": 2, "headers": QUICK}], 0),
        ([{"at": "job:ForwardBackward", "from": number, "failed": "server"} for number in (3, 6)], 2),
    ],
    ids=["failed", "unknown", "promise gone", "lost", "lost 404", "limited", "server error", "repeated"],
)
async def test_training_goes_on_with_the_same_losses(
    tenant: Tenant,
    tokenizer: Path,
    tmp_path: Path,
    undisturbed: list[float],
    faults: list[dict[str, Any]],
    recoveries: int,
) -> None:
    tenant.control(faults=faults)
    async with opened(tokenizer, tmp_path) as session:
        assert await steps(session, 0, COUNT) == undisturbed
        figures = session.figures()
    assert figures["recoveries"] == recoveries
    assert (figures["repeated_tokens"] > 0) == (recoveries > 0)
    assert tenant.counts()["create_model"] == 1 + recoveries


async def test_recovery_goes_back_to_the_last_saved_state_only(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    tenant.control(faults=[{"at": "job:ForwardBackward", "from": 5, "failed": "server"}])
    async with opened(tokenizer, tmp_path, recovery_every=2) as session:
        assert await steps(session, 0, COUNT) == undisturbed
        assert session.figures()["recoveries"] == 1
    assert tenant.counts()["create_model"] == 1
    assert tenant.counts()["load_weights"] == 1
    assert tenant.asked("load_weights")[0]["optimizer"] is True
    assert {asked["ttl_seconds"] for asked in tenant.asked("save_weights")} == {7 * 24 * 3600}
    # A state was saved after two steps or four, and only what came after it is sent again.
    assert len(tenant.asked("optim_step")) <= COUNT + 3


async def test_states_are_saved_every_so_many_steps_and_no_more(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    async with opened(tokenizer, tmp_path, recovery_every=2) as session:
        assert await steps(session, 0, COUNT) == undisturbed
    names = [asked["path"] for asked in tenant.asked("save_weights")]
    assert [name.rsplit("-", 2)[0] for name in names] == ["recovery-2", "recovery-4"]


async def test_a_checkpoint_is_a_state_to_go_back_to(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        losses = await steps(session, 0, 3)
        await session.save_checkpoint("half", step=3, epoch=1, loss=None)
        tenant.control(faults=[{"at": "forward_backward", "from": 2, "lose": True, "status": 410}])
        losses += await steps(session, 3, COUNT)
    assert losses == undisturbed
    assert tenant.counts()["load_weights"] == 1


async def test_a_save_that_fails_is_made_again(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        losses = await steps(session, 0, 3)
        tenant.control(faults=[{"at": "future:SaveWeights", "status": 410}])
        ref = await session.save_checkpoint("half", step=3, epoch=1, loss=None)
        losses += await steps(session, 3, COUNT)
    async with opened(tokenizer, tmp_path) as session:
        await session.load_checkpoint(ref)
        assert await steps(session, 3, COUNT) == undisturbed[3:]
    assert losses == undisturbed


async def test_a_held_out_loss_is_taken_again(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await steps(session, 0, 2)
        expected = await session.evaluate(batch(1))
        tenant.control(faults=[{"at": "job:Forward", "failed": "server"}])
        assert await session.evaluate(batch(1)) == expected
        assert session.figures()["recoveries"] == 1


async def test_a_result_that_does_not_come_is_given_up_and_made_again(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    tenant.control(faults=[{"at": "future:OptimStep", "from": 3, "never": True}])
    async with opened(tokenizer, tmp_path, answer_timeout_s=2.0) as session:
        assert await steps(session, 0, COUNT) == undisturbed
        assert session.figures()["last_fault"] == "no answer in time"


async def test_recovery_gives_up_after_its_attempts(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    tenant.control(faults=[{"at": "job:ForwardBackward", "times": 99, "failed": "server"}])
    async with opened(tokenizer, tmp_path, recovery_attempts=2) as session:
        with pytest.raises(BackendError, match=r"worker fell over.*given up after 2 recoveries in a row"):
            await steps(session, 0, 2)
    assert tenant.counts()["create_model"] == 3
    assert tenant.asked("finish")[-1]["reason"] == {"type": "errored"}


async def test_a_step_that_always_fails_is_given_up_though_those_before_it_can_be_repeated(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    faults = [{"at": "job:OptimStep", "from": number, "failed": "server"} for number in (3, 6)]
    tenant.control(faults=faults)
    async with opened(tokenizer, tmp_path, recovery_attempts=1) as session:
        with pytest.raises(BackendError, match="given up after 1 recoveries in a row"):
            await steps(session, 0, 3)


async def test_what_the_user_is_to_blame_for_is_not_repeated(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    tenant.control(faults=[{"at": "job:ForwardBackward", "failed": "user"}])
    async with opened(tokenizer, tmp_path) as session:
        with pytest.raises(BackendError, match="worker fell over"):
            await steps(session, 0, 1)
    assert tenant.counts()["create_model"] == 1


async def test_an_account_without_credit_ends_the_run_with_its_reason(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    tenant.control(faults=[{"at": "create_session", "status": 402, "detail": "add credit"}])
    async with opened(tokenizer, tmp_path) as session:
        with pytest.raises(BackendError, match=r"^tinker: Error code: 402 .*add credit"):
            await steps(session, 0, 1)


async def test_a_pause_for_billing_shows_and_then_runs_into_the_deadline(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path, answer_timeout_s=1.0, recovery_attempts=0) as session:
        await steps(session, 0, 1)
        tenant.control(
            faults=[{"at": "forward_backward", "times": 99, "status": 402, "detail": "add credit"}]
        )
        with pytest.raises(BackendError, match=r"no answer in time; the service said: .*billing"):
            await steps(session, 1, 2)


async def test_a_session_that_is_lost_before_anything_was_saved_starts_over(
    tenant: Tenant, tokenizer: Path, tmp_path: Path, undisturbed: list[float]
) -> None:
    tenant.control(faults=[{"at": "forward_backward", "lose": True, "status": 410}])
    async with opened(tokenizer, tmp_path) as session:
        assert await steps(session, 0, COUNT) == undisturbed
    assert tenant.counts()["load_weights"] == 0
