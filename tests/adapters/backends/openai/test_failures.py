"""What each fault of a server becomes, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc

import pytest

from crucible.messages.errors import (
    BackendError,
    ConnectionFailedError,
    CrucibleError,
    MalformedReplyError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
    TransientError,
)

from .support import Server, asking, question

KEY = "sk-test-1234567890"


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        ("cut_length", MalformedReplyError, "cut off"),
        ("cut_chunk", MalformedReplyError, "cut off"),
        ("cut_head", MalformedReplyError, "cut off"),
        ("hang_up", ConnectionFailedError, "without an answer"),
        ("reset", ConnectionFailedError, "broke"),
        ("no_http", MalformedReplyError, "HTTP/1.1"),
        ("two_lengths", MalformedReplyError, "content-length"),
        ("gzipped", MalformedReplyError, "content-encoding"),
        ("html", MalformedReplyError, "text/html"),
        ("half_json", MalformedReplyError, "truncated"),
        ("bad_utf8", MalformedReplyError, "utf-8"),
        ("no_choices", MalformedReplyError, "no choices"),
        ("redirect", BackendError, "redirect to .* refused|redirect was refused"),
    ],
)
async def test_a_fault_is_told_by_its_class(
    server: Server, behaviour: str, kind: type[CrucibleError], said: str
) -> None:
    async with asking(server.url(behaviour)) as sampler:
        with pytest.raises(kind, match=f"(?i){said}") as caught:
            await sampler.sample(question())
    assert "\n" not in str(caught.value)


async def test_after_a_fault_the_next_request_gets_a_sound_connection(server: Server) -> None:
    async with asking(server.url("half_json"), max_connections=1) as sampler:
        for _ in range(3):
            with pytest.raises(MalformedReplyError):
                await sampler.sample(question())
    assert len(await server.requests()) == 3


async def test_a_redirect_is_not_followed(server: Server) -> None:
    async with asking(server.url("redirect")) as sampler:
        with pytest.raises(BackendError):
            await sampler.sample(question())
    assert [request["path"].split("/")[2] for request in await server.requests()] == ["redirect"]


async def test_a_rate_limit_says_how_long_to_wait(server: Server) -> None:
    async with asking(server.url("rate_limited")) as sampler:
        with pytest.raises(RateLimitedError, match="HTTP 429: slow down") as caught:
            await sampler.sample(question())
    assert caught.value.retry_after_s == 7.0
    assert not caught.value.billed


async def test_a_refusal_after_the_first_of_several_answers_may_be_billed(server: Server) -> None:
    async with asking(server.url("one_choice_then_rate_limited")) as sampler:
        with pytest.raises(RateLimitedError) as caught:
            await sampler.sample(question(n=3))
    assert caught.value.billed


@pytest.mark.parametrize("behaviour", ["unauthorized", "quoting"])
async def test_a_key_that_the_server_quotes_is_not_repeated(
    server: Server, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with asking(server.url(behaviour), api_key="env:TEST_KEY") as sampler:
        with pytest.raises(BackendError) as caught:
            await sampler.sample(question())
    assert (await server.requests())[0]["headers"]["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(caught.value)
    assert KEY[:8] not in str(caught.value)


async def test_a_refused_key_is_an_authentication_error(server: Server) -> None:
    async with asking(server.url("unauthorized")) as sampler:
        with pytest.raises(BackendError, match=r"HTTP 401: authentication was refused \(invalid_api_key\)"):
            await sampler.sample(question())


async def test_nobody_listening_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with asking(f"http://127.0.0.1:{port}/v1") as sampler:
        with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port}"):
            await sampler.sample(question())


async def test_a_name_that_does_not_exist_is_a_failed_connection() -> None:
    async with asking("http://no-such-host.invalid/v1") as sampler:
        with pytest.raises(ConnectionFailedError, match="no-such-host"):
            await sampler.sample(question())


async def test_a_server_without_tls_fails_an_https_request(server: Server) -> None:
    async with asking(server.url("ok").replace("http:", "https:"), http2=False) as sampler:
        with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:\d+: .*SSL"):
            await sampler.sample(question())


async def test_a_server_that_never_shakes_hands_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # connections wait to be accepted
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/v1"
        async with asking(url, http2=False, connect_timeout_s=0.1) as sampler:
            with pytest.raises(ConnectionFailedError, match=r"within 0\.1 s"):
                await sampler.sample(question())


async def test_a_wait_longer_than_is_wanted_fails_for_good(server: Server) -> None:
    async with asking(server.url("rate_limited_for_a_day")) as sampler:
        with pytest.raises(BackendError, match=r"come back tomorrow \(wait 86400 s, longer than max_wait_s"):
            await sampler.sample(question())


async def test_silence_is_a_time_out(server: Server) -> None:
    async with asking(server.url("silent"), read_timeout_s=0.05) as sampler:
        with pytest.raises(TimedOutError, match=r"0\.05 s"):
            await sampler.sample(question())
    assert (await server.log(wait_for="closed"))[-1]["event"] == "closed"


@pytest.mark.parametrize(
    ("behaviour", "stream"), [("silent", False), ("drip", False), ("stream_then_silence", True)]
)
async def test_a_cancelled_request_is_noticed_by_the_server(
    server: Server, behaviour: str, stream: bool
) -> None:
    async with asking(server.url(behaviour), stream=stream) as sampler:
        task = asyncio.create_task(sampler.sample(question()))
        await server.log(wait_for="request")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await server.log(wait_for="closed"))[-1]["event"] == "closed"


async def test_a_dripping_server_is_bounded_by_the_time_of_the_caller(server: Server) -> None:
    async with asking(server.url("drip"), read_timeout_s=5) as sampler:
        bound = asyncio.timeout(None)

        async def asked() -> None:
            async with bound:
                await sampler.sample(question())

        task = asyncio.create_task(asked())
        await server.log(wait_for="request")
        bound.reschedule(asyncio.get_running_loop().time())
        with pytest.raises(TimeoutError):
            await task
        assert await server.log(wait_for="closed")


async def test_a_cancelled_request_gives_its_place_to_the_next(server: Server) -> None:
    async with asking(server.url("silent"), max_connections=1) as sampler:
        for number in range(1, 4):
            task = asyncio.create_task(sampler.sample(question()))
            await server.log(wait_for=f"request/{number}")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert len(await server.requests()) == 3


async def test_a_gigantic_reply_is_refused_without_being_held(server: Server) -> None:
    async with asking(server.url("huge"), max_reply_bytes=1_000_000) as sampler:
        tracemalloc.start()
        try:
            with pytest.raises(BackendError, match="max_reply_bytes") as refused:
                await sampler.sample(question())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000
    assert refused.value.billed
    assert await server.log(wait_for="closed")


async def test_closing_the_session_ends_requests_under_way(server: Server) -> None:
    async with asking(server.url("silent")) as sampler:
        task = asyncio.create_task(sampler.sample(question()))
        await server.log(wait_for="request")
    with pytest.raises(TransientError):
        await task


async def test_an_error_in_the_middle_of_a_stream_keeps_its_kind(server: Server) -> None:
    async with asking(server.url("stream_with_error"), stream=True) as sampler:
        with pytest.raises(OverloadedError, match="HTTP 503: out of memory") as failed:
            await sampler.sample(question())
    assert failed.value.billed
