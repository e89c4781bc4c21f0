"""Asks a sampling client of the service. Safe to call concurrently; retries are the caller's, in ``asking``.

The SDK itself waits and asks again at a rate limit and at a lost connection, until the caller's deadline
cancels the request. A service that keeps failing is left alone for a while by a circuit breaker.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ....actors.hedging.breaker import CircuitBreaker
from ....messages.errors import BackendError, OverloadedError
from ....messages.records import Completion, SamplingParams, Usage
from ....messages.requests import BackendReply, BackendRequest
from .accounts import sampling_cost
from .faults import Fault, Kind, as_error
from .options import TinkerOptions
from .sdk import within
from .service import Service
from .tokens import Tokens

__all__ = ["TinkerSampler"]

LONGEST_S = 3600.0
"""Of one request; the caller's own deadline is shorter as a rule."""
BLAMED = frozenset({Kind.FAILED, Kind.AWAY, Kind.LIMITED})


class TinkerSampler:
    """Samples one set of weights."""

    def __init__(
        self,
        options: TinkerOptions,
        service: Service,
        tokens: Tokens,
        path: str | None,
        context: int | None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._service, self._tokens = options, service, tokens
        self._path, self._context, self._now = path, context, now
        self._client: Any = None
        self._seen = -1
        self._lock = asyncio.Lock()
        self._breaker = CircuitBreaker()

    async def connect(self) -> tuple[int, Any]:
        """The sampling client and the number of its session; made anew when that is not the one of now."""
        async with self._lock:
            number = self._service.number
            if self._client is None or self._seen != number:
                self._client = None
                self._client = await self._service.sampling(self._path)
                self._seen = number
            return self._seen, self._client

    async def prepare(self) -> None:
        """Connect now, so that weights that do not exist are known before anything is asked."""
        try:
            await self.connect()
        except Exception as error:
            raise as_error(self._service.fault(error)) from error

    async def sample(self, request: BackendRequest) -> BackendReply:
        """``n`` answers, confidence from their log-probabilities; raises TransientError or BackendError."""
        started = time.perf_counter()
        prompt = await asyncio.to_thread(self._prompt, request)
        answer = await self._answered(lambda client: self._ask(client, prompt, request.params))
        completions = [self._completion(each, request.params) for each in answer.sequences]
        usage = Usage(
            prompt_tokens=len(prompt), completion_tokens=sum(len(each.tokens) for each in answer.sequences)
        )
        return BackendReply(
            completions=tuple(completions),
            usage=usage,
            latency_s=time.perf_counter() - started,
            cost_usd=sampling_cost(usage, self._options.prices),
            model=self._path or self._options.base_model,
        )

    async def logprobs(self, tokens: list[int], last: int) -> list[float | None]:
        """Log-probabilities of the last ``last`` tokens, each given all before it; raises as ``sample``.

        The entries before them are None.
        """
        prompt = self._service.sdk.types.ModelInput.from_ints(tokens)
        found: list[float | None] = await self._answered(
            lambda client: within(client.compute_logprobs(prompt, last), LONGEST_S)
        )
        return found

    async def _answered(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        """What the client says, unless the breaker is open."""
        ticket = self._breaker.admit(self._now())
        if ticket is None:
            wait = (self._breaker.retry_at() or 0.0) - self._now()
            raise OverloadedError("tinker: the service keeps failing", retry_after_s=max(wait, 0.0))
        seen = self._service.number
        try:
            seen, client = await self.connect()
            answer = await ask(client)
        except asyncio.CancelledError:
            self._breaker.abandoned(ticket)
            raise
        except Exception as error:
            fault = self._service.fault(error)
            await self._failed(fault, ticket, seen)
            raise as_error(fault) from error
        self._breaker.succeeded(self._now(), ticket)
        return answer

    async def _ask(self, client: Any, prompt: list[int], params: SamplingParams) -> Any:
        types = self._service.sdk.types
        given = types.SamplingParams(
            max_tokens=params.max_tokens,
            seed=params.seed,
            stop=list(params.stop) or None,  # an empty list would not even stop at the end of the text
            temperature=params.temperature,
            top_p=params.top_p,
        )
        return await within(client.sample(types.ModelInput.from_ints(prompt), params.n, given), LONGEST_S)

    async def _failed(self, fault: Fault, ticket: int, seen: int) -> None:
        if fault.kind in BLAMED:
            self._breaker.failed(self._now(), ticket)
        else:
            self._breaker.abandoned(ticket)
        if fault.kind is Kind.LOST:
            await self._service.renew(seen)

    def _prompt(self, request: BackendRequest) -> list[int]:
        system = f"{request.prompt.system}\n\n" if request.prompt.system else ""
        prompt = self._tokens.prompt(system + request.prompt.text)
        if self._context is not None and len(prompt) + request.params.max_tokens > self._context:
            raise BackendError(
                f"tinker: {len(prompt)} tokens of prompt and {request.params.max_tokens} of answer are more "
                f"than {self._context}"
            )
        return prompt

    def _completion(self, sequence: Any, params: SamplingParams) -> Completion:
        tokens = list(sequence.tokens)
        text = self._tokens.text(tokens[:-1] if tokens[-1:] == [self._tokens.end] else tokens)
        cuts = [at for at in (text.find(stop) for stop in params.stop) if at >= 0]
        return Completion(
            text=text[: min(cuts, default=len(text))],
            finish_reason="stop" if str(sequence.stop_reason) == "stop" else "length",
            confidence=confidence(sequence.logprobs),
        )


def confidence(logprobs: Sequence[float] | None) -> float | None:
    """Geometric mean of the probabilities of the tokens: exp(mean logprob)."""
    if not logprobs:
        return None
    return min(1.0, math.exp(sum(logprobs) / len(logprobs)))
