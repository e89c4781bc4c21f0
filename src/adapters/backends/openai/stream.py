"""A streamed answer: server-sent events out of bytes, and the pieces put together. No input or output here.

Events are cut at byte level, so that a character split between two pieces is whole again before anyone
decodes it. Lines end with LF or CR LF, as every server known writes them; a lone CR is not a line end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ....messages.errors import MalformedReplyError
from ....messages.records import Completion
from .reply import Logprobs, Parsed, TokenCounts, confidence, finish_reason, text_logprobs

__all__ = ["Assembly", "EventParser"]

DONE = b"[DONE]"


class EventParser:
    """Cuts a stream of bytes into the data of events (WHATWG, server-sent events)."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of the events that this piece completes."""
        self._rest += piece
        if b"\n" not in piece:
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))

    def finish(self) -> Iterator[bytes]:
        """The data of an event whose empty line never came."""
        yield from self._line(bytes(self._rest).removesuffix(b"\r"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
        elif self._data:
            data, self._data = b"\n".join(self._data), []
            yield data


class Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class ChunkChoice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Chunk(msgspec.Struct):
    choices: list[ChunkChoice] = []
    usage: TokenCounts | None = None
    model: str | None = None
    error: Any = None


class Partial:
    """One choice so far."""

    __slots__ = ("finish", "logprobs", "parts", "refusals")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.refusals: list[str] = []
        self.logprobs: list[float] = []
        self.finish: str | None = None


class Assembly:
    """Puts the pieces of a streamed answer together."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Chunk)
        self._choices: dict[int, Partial] = {}
        self._usage: TokenCounts | None = None
        self._model: str | None = None
        self.done = False
        """Whether the server said that it is done."""
        self.error: bytes | None = None
        """The error that the server sent in place of the rest."""

    def add(self, data: bytes) -> bool:
        """Take in one event; whether it held a piece of an answer. Raises MalformedReplyError."""
        if data.strip() == DONE:
            self.done = True
            return False
        try:
            chunk = self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedReplyError(f"a piece of the streamed reply makes no sense: {error}") from error
        if chunk.error is not None:
            self.error = data
            return False
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        news = [self._take(choice) for choice in chunk.choices]
        return any(news)

    def _take(self, choice: ChunkChoice) -> bool:
        partial = self._choices.setdefault(choice.index, Partial())
        partial.finish = choice.finish_reason or partial.finish
        partial.logprobs += text_logprobs(choice.logprobs)
        delta = choice.delta or Delta()
        text = choice.text if choice.text is not None else delta.content
        if text:
            partial.parts.append(text)
        if delta.refusal:
            partial.refusals.append(delta.refusal)
        return bool(text or delta.refusal or delta.reasoning_content or delta.reasoning)

    def result(self) -> Parsed:
        """The whole answer; raises MalformedReplyError when the stream ended before it did."""
        if not self._choices:
            raise MalformedReplyError("the streamed reply holds no choices")
        if not self.done and any(partial.finish is None for partial in self._choices.values()):
            raise MalformedReplyError("the streamed reply was cut off: it ended without a finish_reason")
        completions = tuple(_completion(partial) for _, partial in sorted(self._choices.items()))
        return Parsed(completions, self._usage, self._model)


def _completion(partial: Partial) -> Completion:
    refused = bool(partial.refusals) and not partial.parts
    return Completion(
        text="".join(partial.refusals if refused else partial.parts),
        finish_reason="content_filter" if refused else finish_reason(partial.finish),
        confidence=confidence(partial.logprobs),
    )
