"""Lays rows out for a pass through the model: padded to one length, or packed one after another.

Packed rows see only themselves: positions count anew in each, and the attention mask is block-diagonal. Not
every model honours both, so ``check_packing`` tries it and refuses where it makes a difference. Runs in the
worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from ....messages.errors import OptionError
from .base import BaseModel, one_line
from .encoding import Encoded, pack, pad

__all__ = ["Layout", "check_packing", "group", "lay_out", "summed_loss"]

_IGNORED = -100
_TRIED = (tuple(range(1, 8)), tuple(range(3, 9)))
"""Rows that packing is tried with; their tokens are taken modulo the vocabulary."""
_EXACT = 1e-4
"""Difference of logits, as a share of their size, that float32 makes by itself."""
_LEAK = 0.1
"""In a coarser number type: most share of what rows that do see each other differ by."""


class Layout(NamedTuple):
    """Rows that go through the model together."""

    given: dict[str, Any]
    """Arguments of the model."""
    wanted: Any
    """Token wanted at each logit that is kept, in order."""
    weights: Any
    """Of the same; None: each 1."""
    keep: Any
    """The last columns, or a tensor of columns."""
    last: bool
    """Whether the last column that is kept predicts nothing."""
    padding: int


def group(rows: Sequence[Encoded], micro_batch_size: int, pack_length: int | None) -> list[list[Encoded]]:
    """Rows that go together: of like length, so that little is padded, or as many as fit."""
    if pack_length is not None:
        return [[rows[n] for n in each] for each in pack([len(row.tokens) for row in rows], pack_length)]
    ordered = sorted(rows, key=lambda row: len(row.tokens))
    return [ordered[start : start + micro_batch_size] for start in range(0, len(ordered), micro_batch_size)]


def lay_out(base: BaseModel, rows: Sequence[Encoded], *, packed: bool) -> Layout:
    """The rows of one group; a row alone needs neither padding nor a mask."""
    return _packed(base, rows) if packed and len(rows) > 1 else _padded(base, rows)


def summed_loss(base: BaseModel, layout: Layout) -> Any:
    """Negative log-likelihood of what is learned, in nats, each token times its weight."""
    logits = base.forward(layout.given, keep=layout.keep, use_cache=False).logits
    if layout.last:
        logits = logits[:, :-1]
    losses = cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        layout.wanted,
        ignore_index=_IGNORED,
        reduction="sum" if layout.weights is None else "none",
    )
    return losses if layout.weights is None else (losses * layout.weights).sum()


def _padded(base: BaseModel, rows: Sequence[Encoded]) -> Layout:
    """On the left, so that completions end in one column and few logits are needed."""
    batch = pad([row.tokens for row in rows])
    longest = max(len(row.tokens) - row.start for row in rows)
    gaps = [longest - (len(row.tokens) - row.start) for row in rows]
    pairs = list(zip(gaps, rows, strict=True))
    targets = [[_IGNORED] * gap + list(row.tokens[row.start :]) for gap, row in pairs]
    weights = [[0.0] * gap + _weights(row) for gap, row in pairs]
    return Layout(
        given=base.tensors(batch),
        wanted=torch.tensor(targets, device=base.device).reshape(-1),
        weights=_tensor(base, rows, weights),
        keep=min(longest + 1, len(batch.tokens[0])),
        last=True,
        padding=batch.padding,
    )


def _packed(base: BaseModel, rows: Sequence[Encoded]) -> Layout:
    begins = accumulate((len(row.tokens) for row in rows), initial=0)
    pairs = list(zip(begins, rows, strict=False))
    columns = [
        column for begin, row in pairs for column in range(begin + row.start - 1, begin + len(row.tokens) - 1)
    ]
    targets = [token for row in rows for token in row.tokens[row.start :]]
    return Layout(
        given=packed_arguments(base, [row.tokens for row in rows]),
        wanted=torch.tensor(targets, device=base.device),
        weights=_tensor(base, rows, [[weight for row in rows for weight in _weights(row)]]),
        keep=torch.tensor(columns, device=base.device),
        last=False,
        padding=0,
    )


def _weights(row: Encoded) -> list[float]:
    return [1.0] * (len(row.tokens) - row.start) if row.weights is None else list(row.weights)


def _tensor(base: BaseModel, rows: Sequence[Encoded], weights: list[list[float]]) -> Any:
    if all(row.weights is None for row in rows):
        return None
    return torch.tensor(weights, device=base.device).reshape(-1)


def packed_arguments(base: BaseModel, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Rows one after another, each of which sees itself alone."""
    tokens = [token for row in rows for token in row]
    positions = [position for row in rows for position in range(len(row))]
    members = torch.tensor([number for number, row in enumerate(rows) for _ in row], device=base.device)
    seen = (members[:, None] == members[None, :]).tril()
    lowest = torch.finfo(base.dtype).min
    mask = torch.zeros(seen.shape, dtype=base.dtype, device=base.device).masked_fill(~seen, lowest)
    return {
        "input_ids": torch.tensor([tokens], device=base.device),
        "position_ids": torch.tensor([positions], device=base.device),
        "attention_mask": mask[None, None],
    }


def check_packing(base: BaseModel, pack_length: int) -> None:
    """Raises OptionError when a row's logits change with what stands before it in a pass."""
    refusal = _refusal(base, pack_length)
    if refusal is not None:
        raise OptionError(
            f"backend.options.pack_length: {base.name!r} {refusal}, so packed rows would see each other: "
            "leave pack_length out"
        )


def _refusal(base: BaseModel, pack_length: int) -> str | None:
    config = base.model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and pack_length > window:
        return f"looks back {window} tokens only, which a mask of our own would override"
    if not base.takes_positions:
        return "takes no positions"
    size = config.vocab_size
    rows = [[token % size for token in row] for row in _TRIED]
    with torch.no_grad():
        alone = base.model(input_ids=torch.tensor([rows[1]], device=base.device), use_cache=False).logits
        joined = torch.tensor([[*rows[0], *rows[1]]], device=base.device)
        seeing = base.model(input_ids=joined, use_cache=False).logits[:, len(rows[0]) :]
        try:
            packed = base.model(**packed_arguments(base, rows), use_cache=False).logits[:, len(rows[0]) :]
        except (ValueError, TypeError, RuntimeError, IndexError) as error:
            return f"does not take a mask for each pair of tokens ({one_line(error)})"
    off, leak = _distance(packed, alone), _distance(seeing, alone)
    bound = _EXACT if base.dtype == torch.float32 else max(_EXACT, _LEAK * leak)
    return None if off <= bound else "does not keep to the mask and the positions that it is given"


def _distance(these: Any, those: Any) -> float:
    """Largest difference of logits, as a share of the largest logit."""
    scale = those.abs().max().clamp(min=torch.finfo(those.dtype).tiny)
    return float(((these - those).abs().max() / scale).float())
