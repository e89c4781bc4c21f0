"""Gathers requests for a moment, so that the worker answers several together.

The first request waits ``gather_ms`` for others; those that come while a batch is answered form the next one.
A request that is given up leaves its batch; a batch that nobody waits for any more is given up in the worker.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from ....messages.errors import BackendError
from ....messages.records import Completion, Usage
from ....messages.requests import BackendReply, BackendRequest
from .options import LocalOptions
from .process import Worker
from .protocol import Answer, Answers, Generate, PromptRow

__all__ = ["LocalSampler"]


class _Waiting(NamedTuple):
    row: PromptRow
    answer: asyncio.Future[Answer]


class LocalSampler:
    """Answers with one adapter of the worker's base model."""

    def __init__(self, worker: Worker, options: LocalOptions, session: str, name: str) -> None:
        self._worker = worker
        self._session = session
        self._name = name
        self._model = options.base_model
        self._most = options.sample_batch_size
        self._gather_s = options.gather_ms / 1000
        self._waiting: list[_Waiting] = []
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.truncated = 0
        """Prompts that lost their start."""

    async def sample(self, request: BackendRequest) -> BackendReply:
        """``n`` answers; raises BackendError for a prompt that is too long.

        Confidence is the geometric mean of the probabilities that the model gives to its answer's tokens.
        """
        if self._closed:
            raise BackendError("local: the sampler is closed")
        start = time.perf_counter()
        rows = _rows(request)
        waiting = [_Waiting(row, asyncio.get_running_loop().create_future()) for row in rows]
        self._waiting += waiting
        if len(self._waiting) >= self._most:
            self._full.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name=f"batches of {self._name}")
        try:
            answers = [await each.answer for each in waiting]
        finally:
            for each in waiting:
                each.answer.cancel()
        self.truncated += answers[0].truncated
        answers *= request.params.n // len(answers)
        return _reply(answers, self._model, time.perf_counter() - start)

    def close(self) -> None:
        """Answer no more; who still waits is told so."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        for each in self._waiting:
            _fail(each, BackendError("local: the sampler is closed"))
        self._waiting.clear()

    async def _serve(self) -> None:
        """Batch after batch until nobody waits."""
        try:
            async with asyncio.timeout(self._gather_s):
                await self._full.wait()
        except TimeoutError:
            pass
        while self._waiting:
            batch = [each for each in self._waiting[: self._most] if not each.answer.done()]
            del self._waiting[: self._most]
            self._full.clear()
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list[_Waiting]) -> None:
        operation = Generate(
            session=self._session, sampler=self._name, rows=tuple(each.row for each in batch)
        )
        call = asyncio.create_task(self._worker.call(operation))
        left = len(batch)

        def gone(_answer: asyncio.Future[Answer]) -> None:
            nonlocal left
            left -= 1
            if not left:
                call.cancel()

        for each in batch:
            each.answer.add_done_callback(gone)
        try:
            result = await call
        except BackendError as error:
            for each in batch:
                _fail(each, error)
            return
        except asyncio.CancelledError:
            call.cancel()
            for each in batch:
                _fail(each, BackendError("local: the sampler is closed"))
            if self._closed:
                raise
            return
        assert isinstance(result, Answers)
        for each, answer in zip(batch, result.rows, strict=True):
            if answer.error is not None:
                _fail(each, BackendError(f"local: {answer.error}"))
            elif not each.answer.done():
                each.answer.set_result(answer)


def _rows(request: BackendRequest) -> list[PromptRow]:
    """One row for each answer; at temperature 0 all would be the same, so one is enough."""
    params = request.params
    count = params.n if params.temperature > 0 else 1
    return [
        PromptRow(
            prompt=request.prompt.text,
            system=request.prompt.system,
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            top_p=params.top_p,
            stop=params.stop,
            seed=(params.seed or 0) + number,
        )
        for number in range(count)
    ]


def _reply(answers: list[Answer], model: str, latency_s: float) -> BackendReply:
    completions = tuple(
        Completion(text=each.text, finish_reason=each.finish_reason, confidence=each.confidence)
        for each in answers
    )
    usage = Usage(
        prompt_tokens=answers[0].prompt_tokens,
        completion_tokens=sum(each.completion_tokens for each in answers),
    )
    return BackendReply(completions=completions, usage=usage, latency_s=latency_s, cost_usd=0.0, model=model)


def _fail(waiting: _Waiting, error: BackendError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
        waiting.answer.exception()  # looked at: whoever waited may be gone
