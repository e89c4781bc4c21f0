"""Asks the server: one request of ours becomes as many HTTP requests as its ``n`` answers need.

Most servers give ``n`` answers to one request; those that give fewer are asked again for the rest. Nothing
is retried here: that is the caller's policy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from ....actors.first_token import first_token_came
from ....messages.errors import BackendError, CrucibleError, OverloadedError
from ....messages.records import Completion, Usage
from ....messages.requests import BackendReply, BackendRequest
from ..answers import estimated_usage
from ..untrained import UntrainedSession
from .address import parse_base_url
from .client import HttpClient, HttpReply
from .faults import fault, retry_after_s, stated_status
from .options import OpenAIOptions
from .payload import PATHS, call_key, encode
from .prices import cost_usd
from .reply import Parsed, parse_reply
from .secret import Secret
from .stream import Assembly, EventParser

__all__ = ["OpenAISampler", "OpenAISession"]


CONFLICT = 409
OPERATIONS = {"chat": "chat", "completions": "text_completion"}
"""By OpenTelemetry's names."""


class Answer(NamedTuple):
    """One HTTP exchange."""

    parsed: Parsed
    first_token_s: float | None


class OpenAISampler:
    """Samples one model of one server."""

    def __init__(self, options: OpenAIOptions, client: HttpClient, secrets: Mapping[str, Secret]) -> None:
        self._options = options
        self._client = client
        self._secrets = tuple(secrets.values())
        self._path = PATHS[options.api]
        origin = parse_base_url(options.base_url)
        self.telemetry = {
            "gen_ai.operation.name": OPERATIONS[options.api],
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": options.model,
            "server.address": origin.host,
            "server.port": origin.port,
        }

    async def sample(self, request: BackendRequest) -> BackendReply:
        """``n`` answers; raises TransientError (by kind) or BackendError.

        Latency counts from the call, so it includes waiting for a connection of a pool that is used up.
        """
        start = time.perf_counter()
        answers = [await self._ask(request, request.params.n, 0, start)]
        completions = list(answers[0].parsed.completions)
        try:
            while len(completions) < request.params.n:
                left = request.params.n - len(completions)
                answers.append(await self._ask(request, left, len(completions), start))
                completions += answers[-1].parsed.completions
        except CrucibleError as error:
            error.billed = True  # for the answers that are there
            raise
        return self._reply(request, answers, completions[: request.params.n], start)

    def _reply(
        self, request: BackendRequest, answers: list[Answer], completions: list[Completion], start: float
    ) -> BackendReply:
        usage, cached = _usage(request, answers)
        return BackendReply(
            completions=tuple(completions),
            usage=usage,
            latency_s=time.perf_counter() - start,
            first_token_s=answers[0].first_token_s,
            cost_usd=cost_usd(self._options, usage, cached),
            model=answers[0].parsed.model,
        )

    async def _ask(self, request: BackendRequest, n: int, asked: int, start: float) -> Answer:
        body = encode(self._options, request, n=n, asked=asked)
        key = call_key(request, body) if self._options.idempotency_key else None
        async with self._client.post(self._path, body, key) as reply:
            if not 200 <= reply.status < 300:
                raise self._fault(reply.status, reply, await reply.read())
            content_type = reply.headers.get("content-type", "")
            try:
                if self._options.stream and "json" not in content_type:
                    return await self._streamed(reply, start)
                return Answer(parse_reply(await reply.read(), content_type), None)
            except CrucibleError as error:
                error.billed = True
                raise

    async def _streamed(self, reply: HttpReply, start: float) -> Answer:
        events, assembly, first = EventParser(), Assembly(), None
        async for piece in reply.pieces():
            for data in events.feed(piece):
                if assembly.add(data) and first is None:
                    first = time.perf_counter() - start
                    first_token_came()
        for data in events.finish():
            assembly.add(data)
        if assembly.error is not None:
            raise self._fault(stated_status(assembly.error), reply, assembly.error)
        return Answer(assembly.result(), first)

    def _fault(self, status: int, reply: HttpReply, body: bytes) -> CrucibleError:
        found = fault(status, reply.headers, body, now=time.time(), secrets=self._secrets)
        if (
            status == CONFLICT and self._options.idempotency_key
        ):  # the call of before is still under way there
            found = OverloadedError(str(found), retry_after_s=retry_after_s(reply.headers, time.time()))
        asked, most = getattr(found, "retry_after_s", None) or 0.0, self._options.max_wait_s
        if asked > most:
            return BackendError(f"{found} (wait {asked:g} s, longer than max_wait_s = {most:g})")
        return found


def _usage(request: BackendRequest, answers: list[Answer]) -> tuple[Usage, int]:
    """Tokens of all exchanges and how many of them were cached; estimated where the server did not count."""
    prompt = completion = cached = 0
    estimated = False
    for answer in answers:
        counted = answer.parsed.usage
        if counted is None or (not counted.prompt_tokens and not counted.completion_tokens):
            guess = estimated_usage(request, answer.parsed.completions)
            prompt, completion, estimated = (
                prompt + guess.prompt_tokens,
                completion + guess.completion_tokens,
                True,
            )
            continue
        prompt += counted.prompt_tokens
        completion += counted.completion_tokens or 0
        cached += counted.cached
    return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=estimated), cached


class OpenAISession(UntrainedSession):
    """A sampler and its connections."""

    def __init__(self, options: OpenAIOptions, client: HttpClient, secrets: Mapping[str, Secret]) -> None:
        super().__init__("openai", OpenAISampler(options, client, secrets))
        self._client = client

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
