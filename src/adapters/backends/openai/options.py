"""What the openai backend can be told, checked when the experiment file is read."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from ....messages.base import Message
from ....messages.secret_keys import is_reference, is_secret_key
from .address import parse_base_url

__all__ = ["OpenAIOptions"]

Price = Annotated[float, Meta(ge=0)]
Omittable = Literal["temperature", "top_p", "seed", "stop", "max_tokens"]

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "accept-encoding"}
)
_OUR_FIELDS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "n"})
_REFERENCE = "a reference env:NAME or file:PATH"


class OpenAIOptions(Message, frozen=True):
    """Which server is asked for which model, and how."""

    model: Annotated[str, Meta(min_length=1, description="Name of the model, as the server knows it.")]
    base_url: Annotated[
        str, Meta(description="Address of the server up to and including /v1; http or https.")
    ] = "https://api.openai.com/v1"
    api: Annotated[
        Literal["chat", "completions"],
        Meta(description="Chat messages, or plain text that the model goes on with."),
    ] = "chat"
    api_key: Annotated[
        str | None,
        Meta(description="Reference to the key, env:NAME or file:PATH; local servers need none."),
    ] = None
    stream: Annotated[
        bool, Meta(description="Receive the answer piece by piece; measures the time to the first token.")
    ] = False
    system: Annotated[
        str | None, Meta(description="System prompt, for requests that bring none of their own.")
    ] = None
    logprobs: Annotated[
        bool | Annotated[int, Meta(ge=0, le=20)],
        Meta(description="Ask for token log-probabilities (a number: that many alternatives too)."),
    ] = False
    json_mode: Annotated[bool, Meta(description="Ask for an answer that is a JSON object.")] = False
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Meta(description="Name under which this server wants the longest answer."),
    ] = "max_tokens"
    omit: Annotated[
        tuple[Omittable, ...], Meta(description="Parameters that this server refuses and that are not sent.")
    ] = ()
    extra_body: Annotated[
        dict[str, Any], Meta(description="Further fields of the request, such as top_k; they win over ours.")
    ] = field(default_factory=dict)
    headers: Annotated[
        dict[str, str], Meta(description="Further headers; secret ones as env:NAME or file:PATH.")
    ] = field(default_factory=dict)
    idempotency_key: Annotated[
        bool,
        Meta(description="Send a header Idempotency-Key: the same when a call is made again after a crash."),
    ] = True
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="Longest wait for a connection, in seconds.")
    ] = 10.0
    read_timeout_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Longest silence of the server, in seconds.")
    ] = 300.0
    max_connections: Annotated[
        int, Meta(ge=1, le=20_000, description="Open connections; further requests wait for a free one.")
    ] = 512
    http2: Annotated[
        bool | Literal["auto"],
        Meta(description="HTTP/2 where the server offers it; auto: if the package h2 is installed."),
    ] = "auto"
    max_reply_bytes: Annotated[
        int, Meta(ge=1024, description="Longest reply; of a longer one nothing is kept.")
    ] = 8 * 1024 * 1024
    max_wait_s: Annotated[
        float, Meta(ge=0, description="Longest Retry-After that is waited for; a longer one fails for good.")
    ] = 600.0
    price_per_million_input_usd: Price | None = None
    price_per_million_cached_input_usd: Annotated[
        Price | None, Meta(description="Price of input tokens from the server's cache; default: as input.")
    ] = None
    price_per_million_output_usd: Price | None = None

    def __post_init__(self) -> None:
        parse_base_url(self.base_url)
        if self.api_key is not None and not is_reference(self.api_key):
            raise ValueError(f"api_key: expected {_REFERENCE}; the key itself never stands in a file")
        self._check_headers()
        ours = sorted(_OUR_FIELDS.intersection(self.extra_body))
        if ours:
            raise ValueError(f"extra_body: {ours[0]} is set by the backend: expected other fields")
        if (self.price_per_million_input_usd is None) != (self.price_per_million_output_usd is None):
            raise ValueError("prices: expected both the input and the output price, or none")
        if self.price_per_million_cached_input_usd is not None and self.price_per_million_input_usd is None:
            raise ValueError("prices: the price of cached input needs those of input and output")

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            if _HEADER_NAME.fullmatch(name) is None:
                raise ValueError("headers: expected names made of letters, digits and hyphens")
            if name.lower() in _OUR_HEADERS:
                raise ValueError(f"headers: {name} is set by the backend: expected other headers")
            if name.lower() == "idempotency-key":
                raise ValueError("headers: Idempotency-Key is set by the backend: see idempotency_key")
            if name.lower() == "authorization" and self.api_key is not None:
                raise ValueError("headers: expected api_key or the header authorization, not both")
            if is_reference(value):
                continue
            if is_secret_key(name) or name.lower() in ("cookie", "ocp-apim-subscription-key"):
                raise ValueError(f"headers: {name} is a secret: expected {_REFERENCE}")
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"headers: {name}: expected one line of ASCII text")
