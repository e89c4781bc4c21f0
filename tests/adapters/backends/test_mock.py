from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.mock import MockBackend, MockOptions, MockSampler
from crucible.messages.errors import (
    BackendError,
    CrucibleError,
    InputError,
    OptionError,
    RateLimitedError,
    TransientError,
)

from .support import request, row


def options(**given: Any) -> MockOptions:
    return msgspec.convert(given, MockOptions)


def sampler(seed: int = 0, **given: Any) -> MockSampler:
    return MockSampler(options(**given), seed)


async def answer(mock: MockSampler, text: str = "Hello there. Bye.", **rest: Any) -> str:
    return (await mock.sample(request(text, **rest))).completions[0].text


async def outcome(mock: MockSampler, **rest: Any) -> str:
    try:
        await mock.sample(request(**rest))
    except CrucibleError as error:
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize(
    ("default", "expected"),
    [("echo", "Hello there. Bye."), ("first_sentence", "Hello there."), ("42", "42")],
)
async def test_the_default_answer_is_an_echo_the_first_sentence_or_a_fixed_text(
    default: str, expected: str
) -> None:
    assert await answer(sampler(default=default)) == expected


async def test_the_first_rule_whose_conditions_all_hold_answers() -> None:
    mock = sampler(
        replies=[
            {"contains": "tea", "example_id": "other", "text": "wrong id"},
            {"matches": r"c.ff+ee", "text": "coffee: {input}"},
            {"contains": "tea", "text": "tea for {example_id}"},
        ]
    )
    assert await answer(mock, "coffee") == "coffee: coffee"
    assert await answer(mock, "tea", example_id="e9") == "tea for e9"
    assert await answer(mock, "water") == "water"


async def test_a_rule_with_several_texts_gives_each_completion_its_own() -> None:
    reply = await sampler(replies=[{"text": ["a", "b", "c"]}]).sample(request(n=3))
    assert {completion.text for completion in reply.completions} == {"a", "b", "c"}


async def test_an_answer_depends_on_seed_key_and_attempt_and_not_on_the_order() -> None:
    rates = {"rate_limited": 0.3, "bad_request": 0.2}
    forward = [await outcome(sampler(errors=rates), key=f"k{i}") for i in range(40)]
    mock = sampler(errors=rates)
    backward = [await outcome(mock, key=f"k{i}") for i in reversed(range(40))]
    other_seed = [await outcome(sampler(seed=1, errors=rates), key=f"k{i}") for i in range(40)]
    next_attempt = [await outcome(mock, key=f"k{i}", attempt=2) for i in range(40)]
    assert forward == backward[::-1]
    assert forward != other_seed
    assert forward != next_attempt


async def test_errors_come_at_their_rates() -> None:
    mock = sampler(errors={"rate_limited": 0.1, "connection": 0.2, "timeout": 0.1, "bad_request": 0.1})
    seen = Counter([await outcome(mock, key=str(i)) for i in range(4000)])
    assert seen["ok"] == pytest.approx(2000, abs=130)
    assert seen["RateLimitedError"] == pytest.approx(400, abs=80)
    assert seen["ConnectionFailedError"] == pytest.approx(800, abs=110)
    assert seen["TimedOutError"] == pytest.approx(400, abs=80)
    assert seen["BackendError"] == pytest.approx(400, abs=80)


async def test_the_first_attempts_of_a_request_fail_when_asked_to() -> None:
    mock = sampler(fail_first_attempts=2, retry_after_s=1.5)
    for attempt in (1, 2):
        with pytest.raises(RateLimitedError) as caught:
            await mock.sample(request(attempt=attempt))
        assert caught.value.retry_after_s == 1.5
    assert await outcome(mock, attempt=3) == "ok"


async def test_a_bad_request_is_final() -> None:
    with pytest.raises(BackendError) as caught:
        await sampler(errors={"bad_request": 1}).sample(request())
    assert not isinstance(caught.value, TransientError)


async def test_cost_is_computed_from_prices_and_unknown_without() -> None:
    priced = sampler(price_per_million_input_usd=2, price_per_million_output_usd=10, default="12345678")
    reply = await priced.sample(request("x" * 400))
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (100, 2)
    assert reply.usage.estimated
    assert reply.cost_usd == pytest.approx((100 * 2 + 2 * 10) / 1e6)
    assert (await sampler().sample(request())).cost_usd is None


async def test_latencies_follow_the_lognormal_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    mock = sampler(latency_ms={"median": 50, "sigma": 0.4})
    for index in range(1001):
        await mock.sample(request(key=str(index)))
    slept.sort()
    assert slept[500] == pytest.approx(0.050, rel=0.06)
    assert slept[841] == pytest.approx(0.050 * 1.4918, rel=0.08)  # one sigma above: median * exp(0.4)


async def test_latencies_are_drawn_from_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    mock = sampler(latency_ms=[10, 200])
    replies = [await mock.sample(request(key=str(index))) for index in range(50)]
    assert set(slept) == {0.01, 0.2}
    assert [reply.latency_s for reply in replies] == slept


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"replies": [{"text": "x", "matches": "("}]}, "not a regular expression"),
        ({"errors": {"timeout": 0.6, "overloaded": 0.6}}, "sum of at most 1"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": []}, "at least one latency"),
        ({"price_per_million_input_usd": 1}, "both the input and the output price"),
        ({"delay": 1}, "unknown field"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        options(**given)


async def test_training_losses_are_scripted_by_optimiser_step(tmp_path: Path) -> None:
    session = await MockBackend().open(options(losses=[2.0, 1.0]), seed=0, workdir=tmp_path)
    means = []
    for _ in range(3):
        step = await session.train_step([row(1), row(2)])
        means.append(step.loss_sum / step.weight_sum)
        await session.optim_step(0.1)
    assert means == [2.0, 1.0, 1.0]


async def test_training_without_scripted_losses_is_refused(tmp_path: Path) -> None:
    session = await MockBackend().open(options(), seed=0, workdir=tmp_path)
    with pytest.raises(OptionError, match="losses"):
        await session.train_step([row()])


async def test_training_needs_references(tmp_path: Path) -> None:
    session = await MockBackend().open(options(losses=[1.0]), seed=0, workdir=tmp_path)
    with pytest.raises(InputError, match="reference"):
        await session.train_step([row(reference=None)])


@pytest.mark.slow
async def test_an_answer_without_latency_costs_less_than_thirty_microseconds() -> None:
    mock = sampler(default="fixed")
    requests = [request(key=str(index)) for index in range(5000)]
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for each in requests:
            await mock.sample(each)
        best = min(best, time.process_time() - start)
    assert best / len(requests) < 30e-6
