"""Makes tokens of rows and prompts, and batches of tokens. Runs in the worker.

A row is the tokens of its prompt, of its completion, and the end-of-text token. Prompt and completion are
tokenised apart: so the prompt reads exactly as it will when the model is asked, whereas a tokeniser that saw
both at once might merge across the seam. Only the completion and its end are learned.

Batches are padded on the left. So completions end in one column, and logits, which for a large vocabulary
cost as much as many layers, are computed for the last columns only; and training and answering share one
form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ....messages.errors import InputError
from ..token_weights import line_weights
from .protocol import Row

TooLong = Literal["reject", "truncate"]

__all__ = ["Encoded", "Encoder", "Padded", "Prompted", "cut", "pack", "pad"]


class Encoded(NamedTuple):
    """Tokens of a row; those from ``start`` are learned. Empty when the row was rejected."""

    tokens: tuple[int, ...]
    start: int
    truncated: bool = False
    weights: tuple[float, ...] | None = None
    """Of the tokens that are learned; None: each 1."""

    @property
    def weight(self) -> float:
        """Sum of the weights of what is learned."""
        return float(len(self.tokens) - self.start) if self.weights is None else sum(self.weights)

    @property
    def rejected(self) -> bool:
        """Whether the row was too long and is left out."""
        return not self.tokens


class Prompted(NamedTuple):
    """Tokens of a prompt and how many may follow it."""

    tokens: list[int]
    room: int | None
    truncated: bool


REJECTED = Encoded((), 0)


def cut(
    prompt: Sequence[int],
    completion: Sequence[int],
    limit: int | None,
    too_long: TooLong,
    weights: Sequence[float] | None = None,
) -> Encoded:
    """A row within ``limit`` tokens: rejected, or without the start of its prompt.

    At least one token of the prompt stays, since the first learned token is predicted from it; a completion
    that does not fit beside that loses its end.
    """
    tokens = (*prompt, *completion)
    kept_weights = None if weights is None else tuple(weights)
    if limit is None or len(tokens) <= limit:
        return Encoded(tokens, len(prompt), weights=kept_weights)
    if too_long == "reject":
        return REJECTED
    kept = max(1, limit - len(completion))
    shortened = tuple(prompt[-kept:])
    learned = tuple(completion[: limit - kept])
    if kept_weights is not None:
        kept_weights = kept_weights[: len(learned)]
    return Encoded((*shortened, *learned), len(shortened), truncated=True, weights=kept_weights)


class Encoder:
    """A tokenizer with the settings of one session, and the rows it has seen."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        end: int,
        limit: int | None,
        too_long: TooLong,
        chat: bool,
        cache_rows: int,
        c1_weight: float = 1.0,
        evidence_weight: float = 1.0,
    ) -> None:
        """Raises InputError for weights with a tokenizer that does not say where a token begins."""
        self._c1_weight, self._evidence_weight = c1_weight, evidence_weight
        if self._weighs and not getattr(tokenizer, "is_fast", False):
            raise InputError(
                "backend.options.c1_weight, evidence_weight: the tokenizer does not say where in the text a "
                "token begins: expected a fast tokenizer (tokenizer.json), or weights of 1"
            )
        self._tokenizer = tokenizer
        self._end = end
        self._limit = limit
        self._too_long: TooLong = too_long
        self._chat = chat
        self._cache_rows = cache_rows
        self._cache: dict[bytes, Encoded] = {}

    def row(self, row: Row) -> Encoded:
        """Tokens of a row; raises InputError when the tokenizer makes none of its prompt."""
        text = f"{len(row.prompt)} {row.prompt}{row.completion}".encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(text, digest_size=16).digest()
        found = self._cache.get(key)
        if found is None:
            prompt = self._prompt(row.prompt, None)
            if not prompt:
                raise InputError(f"example {row.id!r}: input: the tokenizer makes no token of it")
            completion, weights = self._completion(row.completion)
            found = cut(prompt, completion, self._limit, self._too_long, weights)
            if len(self._cache) < self._cache_rows:  # epochs would flush a cache that evicts
                self._cache[key] = found
        return found

    def prompt(self, text: str, system: str | None) -> Prompted:
        """Tokens of a prompt; ValueError says in one line why there are none."""
        tokens = self._prompt(text, system)
        if not tokens:
            raise ValueError("the tokenizer makes no token of the prompt")
        if self._limit is None or len(tokens) < self._limit:
            room = None if self._limit is None else self._limit - len(tokens)
            return Prompted(tokens, room, truncated=False)
        if self._too_long == "reject":
            raise ValueError(
                f"the prompt has {len(tokens)} tokens and the model takes {self._limit}; "
                "too_long = 'truncate' would drop its start"
            )
        kept = max(1, self._limit - self._limit // 4)  # a quarter of the context is left for the answer
        return Prompted(tokens[-kept:], self._limit - kept, truncated=True)

    @property
    def _weighs(self) -> bool:
        return not self._c1_weight == self._evidence_weight == 1.0

    def _completion(self, text: str) -> tuple[list[int], list[float] | None]:
        """Tokens with the end of the text, and their weights if they differ."""
        if not self._weighs:
            return [*self._tokenizer(text, add_special_tokens=False)["input_ids"], self._end], None
        made = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        starts = [start for start, _ in made["offset_mapping"]]
        weights = line_weights(text, starts, c1=self._c1_weight, evidence=self._evidence_weight)
        return [*made["input_ids"], self._end], [*weights, 1.0]

    def _prompt(self, text: str, system: str | None) -> list[int]:
        if not self._chat:
            whole = text if system is None else f"{system}\n\n{text}"
            return list(self._tokenizer(whole)["input_ids"])
        messages = [] if system is None else [{"role": "system", "content": system}]
        messages.append({"role": "user", "content": text})
        formatted = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return list(self._tokenizer(formatted, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True, slots=True)
class Padded:
    """Rows of one length: the padding stands on the left."""

    tokens: list[list[int]]
    mask: list[list[int]]
    """1 for a token, 0 for padding."""
    positions: list[list[int]]

    @property
    def padding(self) -> int:
        """Columns that hold nothing."""
        return sum(row.count(0) for row in self.mask)


def pack(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Numbers of rows that go into a pass together, at most ``limit`` tokens; a longer row goes alone.

    First fit of the longest first (Johnson 1973), so the order of the rows does not matter much.
    """
    bins: list[tuple[int, list[int]]] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        length = lengths[number]
        for at, (used, members) in enumerate(bins):
            if used + length <= limit:
                members.append(number)
                bins[at] = (used + length, members)
                break
        else:
            bins.append((length, [number]))
    return [members for _, members in bins]


def pad(rows: Iterable[Sequence[int]]) -> Padded:
    """Pad on the left with token 0, which the mask hides."""
    rows = list(rows)
    width = max(len(row) for row in rows)
    gaps = [width - len(row) for row in rows]
    return Padded(
        tokens=[[0] * gap + list(row) for gap, row in zip(gaps, rows, strict=True)],
        mask=[[0] * gap + [1] * len(row) for gap, row in zip(gaps, rows, strict=True)],
        positions=[[0] * gap + list(range(len(row))) for gap, row in zip(gaps, rows, strict=True)],
    )
