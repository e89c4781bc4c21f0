"""A row as the service trains on it: right-shifted targets, prompt masked, end-of-text token, weights.

With the tokens t0 t1 ... tn of prompt, answer and end, the input is t0 ... t(n-1) and the targets are
t1 ... tn; the weight of a target is 0 while it is in the prompt. The loss of the service is
-sum(weight * logprob). Pure: nothing here knows the SDK.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....messages.errors import InputError
from ....messages.records import Example
from ..token_weights import line_weights
from .options import TinkerOptions
from .tokens import Tokens

__all__ = ["Datum", "LongRows", "build"]


@dataclass(frozen=True, slots=True)
class Datum:
    """One row; all arrays have the same length."""

    inputs: list[int]
    targets: np.ndarray[tuple[int], np.dtype[np.int64]]
    weights: np.ndarray[tuple[int], np.dtype[np.float32]]

    @property
    def weight(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum(dtype=np.float64))


@dataclass(slots=True)
class LongRows:
    """How many rows were too long, and what became of them."""

    truncated: int = 0
    skipped: int = 0


def build(
    example: Example, tokens: Tokens, options: TinkerOptions, limit: int | None, long_rows: LongRows
) -> Datum | None:
    """The row, or None when it is too long and skipped; raises InputError for one that cannot be used."""
    if example.reference is None:
        raise InputError(f"example {example.id!r}: reference: training needs one")
    prompt = tokens.prompt(example.input)
    answer = tokens.completion(example.reference)
    factors = line_weights(
        example.reference, answer.starts, c1=options.c1_weight, evidence=options.evidence_weight
    )
    weights = [options.completion_weight * factor for factor in factors]
    ids = [*answer.ids, tokens.end]
    weights.append(options.completion_weight)
    if limit is not None and len(prompt) + len(ids) > limit + 1:  # one more token than inputs
        if options.too_long == "reject":
            raise InputError(
                f"example {example.id!r}: {len(prompt) + len(ids)} tokens are more than {limit}: "
                "shorten it, or set backend.options.too_long to truncate or skip"
            )
        if options.too_long == "skip":
            long_rows.skipped += 1
            return None
        long_rows.truncated += 1
        prompt, ids, weights = _cut(prompt, ids, weights, limit + 1)
    whole = [*prompt, *ids]
    masked = np.concatenate([np.zeros(len(prompt)), np.asarray(weights)]).astype(np.float32)
    return Datum(inputs=whole[:-1], targets=np.asarray(whole[1:], dtype=np.int64), weights=masked[1:])


def _cut(
    prompt: list[int], ids: list[int], weights: list[float], limit: int
) -> tuple[list[int], list[int], list[float]]:
    """The first token and the end of the prompt, where the task stands; an answer too long loses its end."""
    ids, weights = ids[: limit - 1], weights[: limit - 1]
    room = limit - len(ids)
    return [*prompt[:1], *prompt[len(prompt) - room + 1 :]] if room > 1 else prompt[:1], ids, weights
