"""What is asked and how the answer is read, over real sockets."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
import pytest

from crucible.messages.records import Prompt, Usage

from .support import Server, asking, question


async def sent(server: Server, behaviour: str = "ok", **options: Any) -> dict[str, Any]:
    async with asking(server.url(behaviour), **options) as sampler:
        await sampler.sample(question(max_tokens=9, temperature=0.5, top_p=0.9, stop=("END",), seed=4))
    (request,) = await server.requests()
    body: dict[str, Any] = request["body"]
    return body


async def test_a_chat_request_carries_all_parameters(server: Server) -> None:
    assert await sent(server, system="Be brief.") == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        "temperature": 0.5,
        "max_tokens": 9,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 4,
    }


async def test_a_plain_request_puts_the_system_prompt_before_the_text(server: Server) -> None:
    body = await sent(server, api="completions", system="Be brief.", logprobs=3)
    assert (body["prompt"], body["logprobs"]) == ("Be brief.\n\nhello", 3)
    assert (await server.requests())[0]["path"].endswith("/v1/completions")


async def test_the_request_is_bent_to_what_a_server_wants(server: Server) -> None:
    body = await sent(
        server,
        max_tokens_field="max_completion_tokens",
        omit=["temperature", "stop", "top_p"],
        json_mode=True,
        logprobs=2,
        extra_body={"top_k": 5},
    )
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "logprobs": True,
        "top_logprobs": 2,
        "max_completion_tokens": 9,
        "seed": 4,
        "response_format": {"type": "json_object"},
        "top_k": 5,
    }


async def test_a_request_brings_its_own_system_prompt(server: Server) -> None:
    async with asking(server.url("ok"), system="ours") as sampler:
        await sampler.sample(msgspec.structs.replace(question(), prompt=Prompt(text="x", system="theirs")))
    assert (await server.requests())[0]["body"]["messages"][0]["content"] == "theirs"


@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_confidence_is_the_geometric_mean_probability_of_the_tokens(server: Server, api: str) -> None:
    async with asking(server.url("ok"), api=api, logprobs=True) as sampler:
        reply = await sampler.sample(question())
    assert reply.completions[0].confidence == pytest.approx(math.exp(-1.0))


async def test_without_logprobs_there_is_no_confidence(server: Server) -> None:
    async with asking(server.url("ok")) as sampler:
        assert (await sampler.sample(question())).completions[0].confidence is None


async def test_n_answers_come_from_one_request(server: Server) -> None:
    async with asking(server.url("ok")) as sampler:
        reply = await sampler.sample(question(n=3, seed=10))
    assert [answer.text for answer in reply.completions] == ["hello|10|0", "hello|10|1", "hello|10|2"]
    assert len(await server.requests()) == 1


async def test_a_server_that_gives_one_answer_is_asked_again_with_other_seeds(server: Server) -> None:
    async with asking(server.url("one_choice")) as sampler:
        reply = await sampler.sample(question(n=3, seed=10))
    assert [answer.text for answer in reply.completions] == ["hello|10|0", "hello|11|0", "hello|12|0"]
    assert reply.usage == Usage(prompt_tokens=300, completion_tokens=60)


async def test_usage_and_model_are_the_servers(server: Server) -> None:
    async with asking(server.url("ok")) as sampler:
        reply = await sampler.sample(question())
    assert (reply.usage, reply.model) == (Usage(prompt_tokens=100, completion_tokens=20), "served")
    assert reply.latency_s > 0
    assert reply.first_token_s is None


async def test_usage_that_the_server_does_not_count_is_marked_as_a_guess(server: Server) -> None:
    async with asking(server.url("uncounted")) as sampler:
        usage = (await sampler.sample(question("twelve chars"))).usage
    assert (usage.prompt_tokens, usage.estimated) == (3, True)


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ({}, None),
        ({"input": 10, "output": 100}, (100 * 10 + 20 * 100) / 1e6),
        ({"input": 10, "cached_input": 1, "output": 100}, (60 * 10 + 40 * 1 + 20 * 100) / 1e6),
    ],
    ids=["unknown", "known", "cached"],
)
async def test_cost_follows_the_prices(server: Server, prices: dict[str, float], cost: float | None) -> None:
    options = {f"price_per_million_{kind}_usd": price for kind, price in prices.items()}
    async with asking(server.url("ok"), **options) as sampler:
        assert (await sampler.sample(question())).cost_usd == pytest.approx(cost)


@pytest.mark.parametrize("behaviour", ["chunked", "until_the_end", "closing"])
async def test_every_way_to_end_a_body_is_read(server: Server, behaviour: str) -> None:
    async with asking(server.url(behaviour)) as sampler:
        for _ in range(2):
            assert (await sampler.sample(question())).completions[0].text == "hello|None|0"


async def test_one_connection_serves_one_request_after_the_other(server: Server) -> None:
    async with asking(server.url("chunked")) as sampler:
        for _ in range(5):
            await sampler.sample(question())
    assert len({request["connection"] for request in await server.requests()}) == 1


async def test_a_reply_nobody_asked_for_is_never_taken_for_an_answer(server: Server) -> None:
    async with asking(server.url("chatty")) as sampler:
        models = [(await sampler.sample(question())).model for _ in range(3)]
    assert models == ["served"] * 3
    assert len({request["connection"] for request in await server.requests()}) == 3


async def test_nor_is_one_that_comes_while_nothing_is_asked(server: Server) -> None:
    async with asking(server.url("chatty_later")) as sampler:
        first = await sampler.sample(question())
        await server.log(wait_for="unasked")
        second = await sampler.sample(question())
    assert (first.model, second.model) == ("served", "served")
    assert len({request["connection"] for request in await server.requests()}) == 2


async def test_no_more_connections_are_open_than_allowed(server: Server) -> None:
    async with asking(server.url("ok"), max_connections=3) as sampler:
        replies = await asyncio.gather(*(sampler.sample(question(str(number))) for number in range(30)))
    assert [reply.completions[0].text for reply in replies] == [f"{number}|None|0" for number in range(30)]
    assert len({request["connection"] for request in await server.requests()}) <= 3
