"""Asking trained weights and the base model: answers, confidence, counts, stops, faults."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.backends.tinker import TinkerBackend, TinkerOptions
from crucible.adapters.backends.tinker.options import TinkerPrices
from crucible.adapters.backends.tinker.sampler import confidence
from crucible.messages.errors import BackendError, OverloadedError, TransientError
from crucible.messages.records import SamplingParams
from crucible.messages.requests import BackendRequest

from ..support import INPUT, request, row
from .support import MARKS, Tenant, opened

pytestmark = MARKS


def asking(text: str = INPUT, **params: object) -> BackendRequest:
    return msgspec.structs.replace(
        request(text),
        params=SamplingParams(max_tokens=40, **params),  # type: ignore[arg-type]
    )


async def test_what_was_learned_is_answered_with_confidence(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    short = row(reference="Green tea.")
    async with opened(tokenizer, tmp_path, prices={"prefill": 1.0, "sample": 3.0}) as session:
        untrained = await (await session.sampler()).sample(asking())
        for _ in range(12):
            await (await session.submit_step([short], 0.3)).result()
        reply = await (await session.sampler()).sample(asking())
    answer = reply.completions[0]
    assert (answer.text, answer.finish_reason) == ("Green tea.", "stop")
    assert untrained.completions[0].text != answer.text
    assert answer.confidence is not None
    assert answer.confidence > 0.8
    assert reply.usage.prompt_tokens > reply.usage.completion_tokens > 1
    paid = reply.usage.prompt_tokens * 1 + reply.usage.completion_tokens * 3
    assert reply.cost_usd == pytest.approx(paid / 1e6)
    assert reply.model is not None
    assert reply.model.startswith("tinker://")
    assert tenant.counts()["create_model"] == 1


async def test_asking_the_base_model_makes_no_training_client(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        reply = await (await session.sampler()).sample(asking())
    assert reply.completions[0].finish_reason == "length"
    assert reply.model == "tiny/lora"
    assert reply.cost_usd is None
    assert tenant.counts()["create_model"] == 0


async def test_saved_weights_can_be_asked_by_their_path(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await (await session.submit_step([row()], 0.05)).result()
        expected = await (await session.sampler()).sample(asking())
    assert expected.model is not None
    async with opened(tokenizer, tmp_path, model_path=expected.model) as session:
        reply = await (await session.sampler()).sample(asking())
    assert reply.completions == expected.completions
    assert tenant.counts()["create_model"] == 1


@pytest.mark.usefixtures("tenant")
async def test_the_seed_decides_and_completions_differ(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        sampler = await session.sampler()
        asked = asking(temperature=1.0, seed=5, n=3)
        first, second = await asyncio.gather(sampler.sample(asked), sampler.sample(asked))
        other = await sampler.sample(asking(temperature=1.0, seed=99, n=3))
    assert first.completions == second.completions
    assert len({answer.text for answer in first.completions}) == 3
    assert other.completions != first.completions


@pytest.mark.usefixtures("tenant")
async def test_a_stop_text_ends_the_answer_and_is_left_off(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        for _ in range(12):
            await (await session.submit_step([row(reference="one two. three")], 0.3)).result()
        reply = await (await session.sampler()).sample(asking(stop=("two",)))
    assert reply.completions[0].text == "one "
    assert reply.completions[0].finish_reason == "stop"


@pytest.mark.usefixtures("tenant")
async def test_a_prompt_that_does_not_fit_is_refused_for_good(tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path, base_model="tiny/short") as session:
        with pytest.raises(BackendError, match=r"tokens of prompt and 40 of answer are more than 48"):
            await (await session.sampler()).sample(asking())


async def test_a_failed_answer_may_be_asked_again(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        sampler = await session.sampler()
        tenant.control(faults=[{"at": "job:Sample", "failed": "server"}])
        with pytest.raises(TransientError, match="sampler fell over"):
            await sampler.sample(asking())
        assert (await sampler.sample(asking())).completions


async def test_a_lost_session_is_opened_anew_for_the_next_attempt(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        await (await session.submit_step([row()], 0.05)).result()
        sampler = await session.sampler()
        expected = await sampler.sample(asking())
        tenant.control(faults=[{"at": "asample", "lose": True, "status": 410}])
        with pytest.raises(TransientError):
            await sampler.sample(asking())
        assert (await sampler.sample(asking())).completions == expected.completions


async def test_backpressure_is_waited_for(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        sampler = await session.sampler()
        tenant.control(faults=[{"at": "asample", "status": 429}])
        assert (await sampler.sample(asking())).completions
    assert tenant.counts()["asample"] == 2


async def test_a_cancelled_answer_is_given_up(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> None:
    async with opened(tokenizer, tmp_path) as session:
        sampler = await session.sampler()
        tenant.control(faults=[{"at": "future:Sample", "never": True}])
        waiting = asyncio.create_task(sampler.sample(asking()))
        await asyncio.to_thread(tenant.wait, "never:Sample")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_service_that_keeps_failing_is_left_alone_for_a_while(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    async with opened(tokenizer, tmp_path) as session:
        sampler = await session.sampler()
        clock = [0.0]
        sampler._now = lambda: clock[0]
        tenant.control(faults=[{"at": "job:Sample", "times": 5, "failed": "server"}])
        for _ in range(5):
            with pytest.raises(OverloadedError, match="fell over"):
                await sampler.sample(asking())
        with pytest.raises(OverloadedError, match="keeps failing") as caught:
            await sampler.sample(asking())
        assert caught.value.retry_after_s == pytest.approx(30.0)
        assert tenant.counts()["asample"] == 5
        clock[0] = 31.0
        assert (await sampler.sample(asking())).completions


def test_confidence_is_the_geometric_mean_of_the_probabilities() -> None:
    assert confidence([math.log(0.5), math.log(0.125)]) == pytest.approx(0.25)
    assert confidence([]) is None
    assert confidence(None) is None
    assert confidence([1e-9]) == 1.0


async def test_an_answer_never_costs_more_than_the_most_that_was_told(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    assert tenant.counts()["asample"] == 0
    prices = TinkerPrices(prefill=1.0, sample=3.0)
    options = TinkerOptions(base_model="tiny/lora", prices=prices)
    asked = asking(n=2)
    async with opened(tokenizer, tmp_path, prices=msgspec.to_builtins(prices)) as session:
        reply = await (await session.sampler()).sample(asked)
    most = TinkerBackend().most_usd(options, asked)
    assert most is not None
    assert reply.cost_usd is not None
    assert 0 < reply.cost_usd <= most
    assert TinkerBackend().most_usd(TinkerOptions(base_model="tiny/lora"), asked) is None
