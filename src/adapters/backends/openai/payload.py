"""The request as the server wants it: a pure function from our request to JSON."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ....messages.requests import BackendRequest
from .options import OpenAIOptions

__all__ = ["PATHS", "call_key", "encode"]

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_ENCODER = msgspec.json.Encoder()


def encode(options: OpenAIOptions, request: BackendRequest, *, n: int, asked: int = 0) -> bytes:
    """The body that asks for ``n`` answers; ``asked`` were asked for before and move the seed on."""
    params = request.params
    body: dict[str, Any] = {"model": options.model}
    body |= _chat(options, request) if options.api == "chat" else _plain(options, request)
    given: dict[str, Any] = {"temperature": params.temperature, options.max_tokens_field: params.max_tokens}
    if params.top_p != 1.0:
        given["top_p"] = params.top_p
    if params.stop:
        given["stop"] = params.stop
    if params.seed is not None:
        given["seed"] = params.seed + asked
    left_out = {options.max_tokens_field if name == "max_tokens" else name for name in options.omit}
    body |= {name: value for name, value in given.items() if name not in left_out}
    if n > 1:
        body["n"] = n
    if options.json_mode:
        body["response_format"] = {"type": "json_object"}
    if options.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return _ENCODER.encode(body | options.extra_body)


def call_key(request: BackendRequest, body: bytes) -> bytes:
    """The idempotency key of one call: the same when it is made again after a restart.

    Of the run, so that a run of the same experiment later on gets answers of its own; of the attempt, so that
    a retry does not get the error of before, nor a duplicate in a race the answer of the one it races; and of
    the body, since servers refuse a key that comes with another one.
    """
    digest = hashlib.blake2b(body, digest_size=16)
    digest.update(repr((request.run, request.key, request.attempt)).encode("utf-8", "surrogatepass"))
    return b"crucible-" + digest.hexdigest().encode()


def _chat(options: OpenAIOptions, request: BackendRequest) -> dict[str, Any]:
    system = request.prompt.system or options.system
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": request.prompt.text})
    if options.logprobs is False:
        return {"messages": messages}
    alternatives = {} if options.logprobs is True else {"top_logprobs": options.logprobs}
    return {"messages": messages, "logprobs": True, **alternatives}


def _plain(options: OpenAIOptions, request: BackendRequest) -> dict[str, Any]:
    system = request.prompt.system or options.system
    text = f"{system}\n\n{request.prompt.text}" if system else request.prompt.text
    if options.logprobs is False:
        return {"prompt": text}
    return {"prompt": text, "logprobs": 1 if options.logprobs is True else options.logprobs}
