"""Reading an answer: JSON of the server to completions, usage and confidence. Pure functions.

Unknown fields are ignored, since every server adds some; what we need must be there and of the right type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from ....messages.errors import MalformedReplyError
from ....messages.records import Completion

__all__ = ["Parsed", "TokenCounts", "confidence", "finish_reason", "parse_reply", "text_logprobs"]

FinishReason = Literal["stop", "length", "content_filter", "error"]


class TokenDetails(msgspec.Struct):
    cached_tokens: int | None = None


class TokenCounts(msgspec.Struct):
    """Tokens as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None

    @property
    def cached(self) -> int:
        """Prompt tokens that came from the server's cache."""
        details = self.prompt_tokens_details
        return (details.cached_tokens or 0) if details else 0


class TokenLogprob(msgspec.Struct):
    logprob: float


class Logprobs(msgspec.Struct):
    content: list[TokenLogprob] | None = None
    token_logprobs: list[float | None] | None = None


class ChatMessage(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct):
    index: int = 0
    message: ChatMessage | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Reply(msgspec.Struct):
    choices: list[Choice]
    usage: TokenCounts | None = None
    model: str | None = None


class Parsed(msgspec.Struct, frozen=True):
    """What one answer of the server holds."""

    completions: tuple[Completion, ...]
    usage: TokenCounts | None
    """None when the server did not count."""
    model: str | None


_REPLY = msgspec.json.Decoder(Reply)


def parse_reply(body: bytes, content_type: str = "") -> Parsed:
    """The completions of a whole reply, in the order of their index; raises MalformedReplyError."""
    try:
        reply = _REPLY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if not body:
            raise MalformedReplyError("the reply is empty") from error
        kind = hint = ""
        if content_type and "json" not in content_type:
            kind, hint = f" (content type {content_type[:60]})", ": check base_url, which mostly ends in /v1"
        raise MalformedReplyError(f"the reply is not what was expected{kind}: {error}{hint}") from error
    if not reply.choices:
        raise MalformedReplyError("the reply holds no choices")
    choices = sorted(reply.choices, key=lambda choice: choice.index)
    return Parsed(tuple(_completion(choice) for choice in choices), reply.usage, reply.model)


def _completion(choice: Choice) -> Completion:
    refused = False
    if choice.message is not None:
        text = choice.message.content
        if text is None:
            text, refused = choice.message.refusal or "", choice.message.refusal is not None
    elif choice.text is not None:
        text = choice.text
    else:
        raise MalformedReplyError("a choice of the reply holds neither a message nor a text")
    return Completion(
        text=text,
        finish_reason="content_filter" if refused else finish_reason(choice.finish_reason),
        confidence=confidence(text_logprobs(choice.logprobs)),
    )


def finish_reason(given: str | None) -> FinishReason:
    """Ours for the server's; raises MalformedReplyError when the server gave the answer up midway."""
    if given in ("abort", "error", "cancelled"):
        raise MalformedReplyError(f"the server ended the answer midway (finish_reason {given})")
    if given in ("length", "max_tokens", "model_length"):
        return "length"
    return "content_filter" if given == "content_filter" else "stop"


def text_logprobs(given: Logprobs | None) -> Sequence[float]:
    """Log-probabilities of the answer's own tokens, from either shape; empty when there are none."""
    if given is None:
        return ()
    if given.content is not None:
        return [token.logprob for token in given.content]
    return [value for value in given.token_logprobs or () if value is not None]


def confidence(logprobs: Iterable[float]) -> float | None:
    """exp(mean log-probability of the tokens): their geometric mean probability, in [0, 1]; None of none."""
    values = list(logprobs)
    if not values:
        return None
    return min(1.0, math.exp(min(0.0, math.fsum(values) / len(values))))
