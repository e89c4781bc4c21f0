"""What a request can cost at most: never less than what it costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.ports import Priced
from crucible.adapters.backends.mock import MockBackend, MockOptions, MockSampler
from crucible.adapters.backends.mock_options import MockReply
from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.adapters.backends.openai.prices import cost_usd
from crucible.messages.records import Prompt, SamplingParams, Usage
from crucible.messages.requests import BackendRequest

PRICES: dict[str, Any] = {"price_per_million_input_usd": 3.0, "price_per_million_output_usd": 15.0}
TEXTS = st.text(max_size=200)


def request(text: str = "?", **params: Any) -> BackendRequest:
    return BackendRequest(
        key="k", example_id="row-1", prompt=Prompt(text=text), params=SamplingParams(**params)
    )


def openai(given: BackendRequest | None = None, **options: Any) -> float | None:
    decoded = OpenAIOptions(model="m", **{**PRICES, **options})
    return OpenAIBackend().most_usd(decoded, given or request(max_tokens=100))


@given(TEXTS, st.integers(1, 4), st.integers(1, 500), st.integers(0, 500))
def test_tokens_of_a_byte_each_and_the_longest_answers_are_covered(
    text: str, n: int, max_tokens: int, cached: int
) -> None:
    tokens = len(text.encode("utf-8", "surrogatepass")) + 100  # and a template
    usage = Usage(prompt_tokens=tokens * n, completion_tokens=max_tokens * n)
    options = OpenAIOptions(model="m", **PRICES)
    most = openai(request(text, n=n, max_tokens=max_tokens))
    assert most is not None
    cost = cost_usd(options, usage, cached)
    assert cost is not None
    assert cost <= most


@pytest.mark.parametrize(
    "options",
    [
        {"price_per_million_input_usd": None, "price_per_million_output_usd": None},
        {"omit": ("max_tokens",)},
        {"extra_body": {"max_tokens": "many"}},
        {"extra_body": {"max_tokens": True}},
    ],
)
def test_without_a_price_or_a_longest_answer_it_is_unknown(options: dict[str, Any]) -> None:
    assert openai(**options) is None


def test_what_the_options_add_to_a_request_counts() -> None:
    plain = openai()
    assert plain is not None
    assert openai(system="s" * 1000) == pytest.approx(plain + 1000 * 3e-6)
    longer, dearer = openai(extra_body={"max_tokens": 1100}), openai(price_per_million_cached_input_usd=6.0)
    assert longer is not None
    assert longer > plain + 0.9 * 1000 * 15e-6
    assert dearer is not None
    assert dearer > plain


@given(TEXTS, TEXTS, st.integers(1, 3))
async def test_the_mock_never_costs_more_than_it_says(prompt: str, answer: str, n: int) -> None:
    rules = (MockReply(text=(f"{answer}{{input}}", "{example_id}!"), contains="a"),)
    options = MockOptions(replies=rules, **PRICES)
    asked = request(prompt, n=n)
    most = MockBackend().most_usd(options, asked)
    assert most is not None
    reply = await MockSampler(options, seed=1).sample(asked)
    assert reply.cost_usd is not None
    assert reply.cost_usd <= most


@pytest.mark.parametrize("name", ["extractive", "lead", "mock", "openai"])
def test_every_backend_of_ours_can_be_given_a_budget(name: str) -> None:
    from crucible import registry

    assert isinstance(registry.load("backend", name)(), Priced)
