"""Answers several prompts together, token by token. Runs in the worker.

Own loop instead of the library's ``generate``, because each row here has its own temperature, nucleus, stop
texts and seed, its probability is wanted, and it must be possible to stop between two tokens. What a row
draws depends on its own seed only, not on who it is answered with. Rows that have ended leave the batch once
they are half of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch

from .base import BaseModel
from .encoding import Prompted, pad
from .protocol import Answer, PromptRow

__all__ = ["Asked", "generate"]

_STOP_SLACK = 8
"""Tokens looked at beyond those that can hold a stop text."""


class Asked(NamedTuple):
    """A prompt in tokens."""

    row: PromptRow
    prompt: Prompted


class _Answering:
    """One row while it is answered."""

    def __init__(self, asked: Asked, tokenizer: Any, ends: frozenset[int]) -> None:
        self.row = asked.row
        self._prompt = asked.prompt
        self._tokenizer = tokenizer
        self._ends = ends
        room = asked.prompt.room
        self._most = self.row.max_tokens if room is None else min(self.row.max_tokens, room)
        self._window = max((len(stop) for stop in self.row.stop), default=0) + _STOP_SLACK
        self._tokens: list[int] = []
        self._log_probability = 0.0
        self._text: str | None = None
        self._counted = 0
        self.finish: Literal["stop", "length"] | None = None
        self.random: Any = None
        if self.row.temperature > 0:
            self.random = torch.Generator().manual_seed(self.row.seed)

    def take(self, token: int, log_probability: float) -> None:
        """The next token, and its probability before temperature and nucleus."""
        self._counted += 1
        self._log_probability += log_probability
        if token in self._ends:
            self.finish = "stop"
            return
        self._tokens.append(token)
        if self.row.stop and self._stopped():
            self.finish = "stop"
        elif self._counted >= self._most:
            self.finish = "length"

    def _stopped(self) -> bool:
        recent = self._decode(self._tokens[-self._window :])
        if not any(stop in recent for stop in self.row.stop):
            return False
        text = self._decode(self._tokens)
        places = [place for stop in self.row.stop if (place := text.find(stop)) >= 0]
        if places:
            self._text = text[: min(places)]
        return bool(places)

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(
            self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def answer(self) -> Answer:
        """What came of it. Confidence: geometric mean of the tokens' probabilities, the end included."""
        text = self._text if self._text is not None else self._decode(self._tokens)
        mean = self._log_probability / max(1, self._counted)
        return Answer(
            text=text,
            finish_reason=self.finish or "length",
            confidence=min(1.0, math.exp(mean)),
            prompt_tokens=len(self._prompt.tokens),
            completion_tokens=self._counted,
            truncated=self._prompt.truncated,
        )


def generate(
    base: BaseModel, asked: Sequence[Asked], ends: frozenset[int], check: Callable[[], None]
) -> list[Answer]:
    """Answers in the order of the prompts; ``check`` is called before each token and may raise."""
    rows = [_Answering(each, base.tokenizer, ends) for each in asked]
    live = list(rows)
    batch = pad([each.prompt.tokens for each in asked])
    mask = torch.tensor(batch.mask, device=base.device)
    given = base.tensors(batch)
    with torch.inference_mode():
        cache = None
        while True:
            check()
            past: dict[str, Any] = {} if cache is None else {base.cache_argument: cache}
            output = base.forward(given, keep=1, use_cache=True, **past)
            cache = getattr(output, base.cache_argument)
            tokens = _choose(output.logits[:, -1].float(), live)
            going = [place for place, row in enumerate(live) if row.finish is None]
            if not going:
                return [row.answer() for row in rows]
            if len(going) <= len(live) // 2:
                kept = torch.tensor(going, device=base.device)
                cache.batch_select_indices(kept)
                mask, tokens = mask[kept], tokens[kept]
                live = [live[place] for place in going]
            mask = torch.cat([mask, mask.new_ones((len(live), 1))], dim=1)
            given = base.next_column(tokens, mask)


def _choose(logits: Any, rows: Sequence[_Answering]) -> Any:
    """The next token of each row; those of rows that have ended are never looked at."""
    log_probabilities = torch.log_softmax(logits, dim=-1)
    tokens = logits.argmax(dim=-1)
    for place, row in enumerate(rows):
        if row.random is not None and row.finish is None:
            tokens[place] = _draw(logits[place].cpu(), row)
    chosen = log_probabilities.gather(1, tokens[:, None])[:, 0].tolist()
    for row, token, log_probability in zip(rows, tokens.tolist(), chosen, strict=True):
        if row.finish is None:
            row.take(token, log_probability)
    return tokens


def _draw(logits: Any, row: _Answering) -> int:
    """By temperature, from the smallest set of tokens with probability ``top_p`` (Holtzman et al. 2020)."""
    probabilities = torch.softmax(logits / row.row.temperature, dim=-1)
    if row.row.top_p < 1:
        ordered, places = probabilities.sort(descending=True, stable=True)
        before = ordered.cumsum(0) - ordered
        ordered[before >= row.row.top_p] = 0.0
        return int(places[torch.multinomial(ordered, 1, generator=row.random)])
    return int(torch.multinomial(probabilities, 1, generator=row.random))
