"""Streamed answers, over real sockets and byte by byte."""

from __future__ import annotations

import math

import pytest

from crucible.adapters.backends.openai.stream import EventParser
from crucible.messages.errors import MalformedReplyError
from crucible.messages.records import Usage

from .server import WORDS, events
from .support import Server, asking, question

TEXT = "".join(WORDS)


@pytest.mark.parametrize("behaviour", ["stream", "stream_without_done"])
async def test_a_stream_gives_the_whole_text_however_it_is_cut(server: Server, behaviour: str) -> None:
    async with asking(server.url(behaviour), stream=True, logprobs=True) as sampler:
        reply = await sampler.sample(question())
    (answer,) = reply.completions
    assert (answer.text, answer.finish_reason) == (TEXT, "stop")
    assert answer.confidence == pytest.approx(math.exp(-0.5))
    assert reply.usage == Usage(prompt_tokens=7, completion_tokens=5)
    assert reply.model == "served"


async def test_a_stream_tells_the_time_to_the_first_token(server: Server) -> None:
    async with asking(server.url("stream"), stream=True) as sampler:
        reply = await sampler.sample(question())
    assert reply.first_token_s is not None
    assert 0 < reply.first_token_s < reply.latency_s


async def test_a_stream_asks_for_usage(server: Server) -> None:
    async with asking(server.url("stream"), stream=True) as sampler:
        await sampler.sample(question())
    body = (await server.requests())[0]["body"]
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


async def test_a_stream_without_usage_is_estimated(server: Server) -> None:
    async with asking(server.url("stream_without_usage"), stream=True) as sampler:
        assert (await sampler.sample(question())).usage.estimated


async def test_answers_that_come_in_turns_are_told_apart(server: Server) -> None:
    async with asking(server.url("stream_of_several"), stream=True) as sampler:
        reply = await sampler.sample(question(n=3))
    assert [answer.text for answer in reply.completions] == ["a0b0", "a1b1", "a2b2"]
    assert len(await server.requests()) == 1


async def test_a_server_that_does_not_stream_is_understood_all_the_same(server: Server) -> None:
    async with asking(server.url("ok"), stream=True) as sampler:
        assert (await sampler.sample(question())).completions[0].text == "hello|None|0"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("stream_cut", "without a finish_reason"),
        ("stream_of_nonsense", "makes no sense"),
        ("stream_empty", "no choices"),
    ],
)
async def test_a_broken_stream_is_a_malformed_reply(server: Server, behaviour: str, said: str) -> None:
    async with asking(server.url(behaviour), stream=True) as sampler:
        with pytest.raises(MalformedReplyError, match=said):
            await sampler.sample(question())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_events_do_not_depend_on_where_the_bytes_are_cut(size: int) -> None:
    data = events().replace(b"\n\n", b"\r\n\r\n") + b"data: one\ndata: two"
    parser = EventParser()
    cut = [event for start in range(0, len(data), size) for event in parser.feed(data[start : start + size])]
    cut += parser.finish()
    whole = EventParser()
    assert cut == [*whole.feed(data), *whole.finish()]
    assert cut[-2:] == [b"[DONE]", b"one\ntwo"]
