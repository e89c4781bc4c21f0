"""Answering: together as alone, by seed, until a stop text, from the adapter that was asked for."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.backends.local.session import LocalSession
from crucible.messages.errors import BackendError

from ..support import INPUT, REFERENCE, row
from .support import ask, make_gpt2, needs_torch, opened, patient

pytestmark = [needs_torch, patient]

PROMPTS = [INPUT[: 40 + 23 * number] for number in range(12)]


async def trained(model: Path, tmp_path: Path, **options: Any) -> LocalSession:
    """A session whose model has learned something, so that its answers are not all alike."""
    session = await opened(model, tmp_path, target_modules=["*"], **options)
    for _ in range(30):
        await session.train_step([row()])
        await session.optim_step(0.02)
    return session


async def test_answers_together_are_the_answers_alone(model: Path, tmp_path: Path) -> None:
    session = await trained(model, tmp_path, sample_batch_size=8)
    sampler = await session.sampler()
    alone = [await sampler.sample(ask(prompt, max_tokens=30)) for prompt in PROMPTS]
    together = await asyncio.gather(*(sampler.sample(ask(prompt, max_tokens=30)) for prompt in PROMPTS))
    await session.aclose()
    assert [each.completions[0].text for each in together] == [each.completions[0].text for each in alone]
    assert [each.usage for each in together] == [each.usage for each in alone]
    confidences = [each.completions[0].confidence for each in alone]
    assert [each.completions[0].confidence for each in together] == pytest.approx(confidences, rel=1e-4)
    assert len({each.completions[0].text for each in alone}) > 1


async def test_a_model_with_absolute_positions_answers_and_learns_together_as_alone(tmp_path: Path) -> None:
    folder = make_gpt2(tmp_path / "model")
    session = await opened(folder, tmp_path, target_modules=["c_attn", "c_fc"])
    rows = [row(), row(text=INPUT[:200])]
    for _ in range(5):
        await session.train_step(rows)
        await session.optim_step(0.02)
    sampler = await session.sampler()
    alone = [await sampler.sample(ask(prompt, max_tokens=30)) for prompt in PROMPTS[:4]]
    together = await asyncio.gather(*(sampler.sample(ask(p, max_tokens=30)) for p in PROMPTS[:4]))
    losses = [(await session.evaluate([each])).loss_sum for each in rows]
    both = (await session.evaluate(rows)).loss_sum
    await session.aclose()
    assert [each.completions[0].text for each in together] == [each.completions[0].text for each in alone]
    assert both == pytest.approx(sum(losses), rel=1e-5)


async def test_what_is_drawn_depends_on_the_seed_and_not_on_the_company(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    sampler = await session.sampler()
    request = ask(temperature=1.0, top_p=0.9, seed=11, max_tokens=20)
    alone = await sampler.sample(request)
    others = (sampler.sample(ask(p, temperature=1.0, seed=n, max_tokens=9)) for n, p in enumerate(PROMPTS))
    together, *_ = await asyncio.gather(sampler.sample(request), *others)
    other = await sampler.sample(ask(temperature=1.0, top_p=0.9, seed=12, max_tokens=20))
    await session.aclose()
    assert together.completions[0].text == alone.completions[0].text
    assert other.completions[0].text != alone.completions[0].text


async def test_several_answers_are_drawn_apart(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    reply = await (await session.sampler()).sample(ask(temperature=1.0, seed=1, n=3))
    await session.aclose()
    assert len({each.text for each in reply.completions}) == 3
    assert reply.usage.completion_tokens == 36


async def test_a_tiny_nucleus_is_the_likeliest_token(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    sampler = await session.sampler()
    greedy = await sampler.sample(ask())
    narrow = await sampler.sample(ask(temperature=1.0, top_p=1e-6, seed=5))
    await session.aclose()
    assert narrow.completions[0].text == greedy.completions[0].text


async def test_a_learned_answer_ends_by_itself_and_its_confidence_is_its_likelihood(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path, target_modules=["*"], lora_rank=32, lora_alpha=64)
    for _ in range(150):
        await session.train_step([row()])
        await session.optim_step(0.01)
    loss = await session.evaluate([row()])
    reply = await (await session.sampler()).sample(ask(max_tokens=90))
    await session.aclose()
    answer = reply.completions[0]
    assert (answer.text, answer.finish_reason) == (REFERENCE, "stop")
    assert reply.usage.completion_tokens == loss.weight_sum
    assert answer.confidence == pytest.approx(math.exp(-loss.loss_sum / loss.weight_sum), rel=1e-3)


async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(model: Path, tmp_path: Path) -> None:
    session = await trained(model, tmp_path)
    sampler = await session.sampler()
    whole = (await sampler.sample(ask(max_tokens=30))).completions[0]
    stop = whole.text[6:9]
    cut = (await sampler.sample(ask(max_tokens=30, stop=("never said", stop)))).completions[0]
    await session.aclose()
    assert (cut.text, cut.finish_reason) == (whole.text[: whole.text.index(stop)], "stop")


async def test_an_answer_that_is_cut_off_says_so(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    reply = await (await session.sampler()).sample(ask(max_tokens=5))
    await session.aclose()
    assert reply.completions[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 5


async def test_a_prompt_longer_than_the_context_is_refused_and_the_others_are_answered(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path)
    sampler = await session.sampler()
    long, short = await asyncio.gather(
        sampler.sample(ask(INPUT * 3)), sampler.sample(ask()), return_exceptions=True
    )
    await session.aclose()
    assert isinstance(long, BackendError)
    assert "tokens and the model takes 256" in str(long)
    assert not isinstance(short, BaseException)


async def test_a_truncated_prompt_is_answered_and_counted(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, too_long="truncate")
    reply = await (await session.sampler()).sample(ask(INPUT * 3))
    figures = session.figures()
    await session.aclose()
    assert reply.usage.prompt_tokens == 192
    assert figures["prompts_truncated"] == 1


async def test_a_sampler_keeps_the_weights_that_it_was_made_of(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, target_modules=["*"])
    untrained = await session.sampler()
    before = await untrained.sample(ask())
    for _ in range(30):
        await session.train_step([row()])
        await session.optim_step(0.02)
    after, now = await untrained.sample(ask()), await (await session.sampler()).sample(ask())
    await session.aclose()
    assert after.completions == before.completions
    assert now.completions != before.completions


async def test_a_request_that_is_given_up_leaves_the_others_alone(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    sampler = await session.sampler()
    expected = await sampler.sample(ask())
    given_up = asyncio.create_task(sampler.sample(ask(PROMPTS[3])))
    kept = asyncio.create_task(sampler.sample(ask()))
    await asyncio.sleep(0)
    given_up.cancel()
    reply = await kept
    await session.aclose()
    assert reply.completions[0].text == expected.completions[0].text


async def test_who_waits_when_the_session_closes_is_told(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, gather_ms=10_000)
    waiting = asyncio.create_task((await session.sampler()).sample(ask()))
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(BackendError, match="the sampler is closed"):
        await waiting
