"""The header Idempotency-Key: which calls share one, and what a server that honours it is good for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.openai import OpenAIOptions
from crucible.adapters.backends.openai.payload import call_key
from crucible.messages.errors import BackendError, OverloadedError
from crucible.messages.requests import BackendRequest

from .support import Server, asking, question


def of_run(run: str = "run-1", attempt: int = 1, text: str = "hello", **params: Any) -> BackendRequest:
    return msgspec.structs.replace(question(text, **params), run=run, attempt=attempt)


async def test_a_call_that_is_made_again_after_a_restart_gets_its_first_answer(server: Server) -> None:
    models = []
    for request in (of_run(), of_run(), of_run(attempt=2), of_run("run-2"), of_run(text="bye")):
        async with asking(server.url("gateway")) as sampler:  # as a new process would
            models.append((await sampler.sample(request)).model)
    assert models == ["answer 0", "answer 0", "answer 1", "answer 2", "answer 3"]


async def test_a_call_that_is_still_under_way_at_the_server_is_asked_again_later(server: Server) -> None:
    request = of_run(text="slow")
    async with asking(server.url("gateway")) as sampler:
        cut_off = asyncio.create_task(sampler.sample(request))
        await server.log("at_work")
        cut_off.cancel()
        await asyncio.wait([cut_off])
    async with asking(server.url("gateway")) as sampler:
        with pytest.raises(OverloadedError, match="HTTP 409") as caught:
            await sampler.sample(request)
        assert caught.value.retry_after_s == 0.0
        assert (await sampler.sample(request)).model == "answer 0"


async def test_without_a_key_a_conflict_is_final(server: Server) -> None:
    request = of_run(text="slow")
    async with asking(server.url("gateway"), idempotency_key=False) as sampler:
        cut_off = asyncio.create_task(sampler.sample(request))
        await server.log("at_work")
        cut_off.cancel()
        await asyncio.wait([cut_off])
        with pytest.raises(BackendError, match="HTTP 409"):
            await sampler.sample(request)
    assert all("idempotency-key" not in each["headers"] for each in await server.requests())


async def test_each_request_for_the_rest_of_n_answers_has_a_key_of_its_own(server: Server) -> None:
    async with asking(server.url("one_choice"), omit=["seed"]) as sampler:
        await sampler.sample(of_run(n=3))
    keys = [each["headers"]["idempotency-key"] for each in await server.requests()]
    assert len(set(keys)) == len(keys) == 3


def test_a_key_is_made_of_run_request_attempt_and_body_and_shows_none_of_them() -> None:
    whole = call_key(of_run(), b"{}")
    others = [
        call_key(of_run("run-2"), b"{}"),
        call_key(of_run(attempt=2), b"{}"),
        call_key(of_run(), b"{ }"),
        call_key(msgspec.structs.replace(of_run(), key="l"), b"{}"),
    ]
    assert len({whole, *others}) == 5
    assert whole == call_key(of_run(), b"{}")
    assert whole.startswith(b"crucible-")
    assert len(whole) == 41
    assert b"run" not in whole


def test_keys_are_sent_unless_told_otherwise() -> None:
    assert OpenAIOptions(model="m").idempotency_key
