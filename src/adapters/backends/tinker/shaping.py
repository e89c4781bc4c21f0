"""A loss of several terms, sent to the service as weights of its cross-entropy.

The service differentiates ``-sum(weight * logprob)`` and nothing else on request. With ``C(l)`` the wanted
loss of the targets' log-probabilities ``l``, the weights ``-dC/dl`` at the ``l`` of now give exactly its
gradient (the chain rule; the SDK's own ``forward_backward_custom`` does the same with torch). So a step is a
forward pass, this, and a backward pass with the new weights. Pure; called by ``session`` in a worker thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....messages.errors import BackendError
from ....messages.records import LossTerm
from .datums import Datum
from .options import Regulariser
from .regularisers import Array, find_term

__all__ = ["BASE_TERM", "Shaped", "shape"]

BASE_TERM = "cross_entropy"
LARGEST = float(np.finfo(np.float32).max) / 2
"""Weights travel as float32."""
Weights = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shaped:
    """What goes to the service for the backward pass, and what it is made of."""

    weights: list[Weights]
    """One array for each row, as long as its targets."""
    loss_sum: float
    """Cross-entropy alone: comparable with a held-out loss and with a run without regularisers."""
    terms: tuple[LossTerm, ...]


def shape(
    regularisers: Sequence[Regulariser],
    datums: Sequence[Datum],
    logprobs: Sequence[Any],
    references: Sequence[Array] | None,
) -> Shaped:
    """Weights of the backward pass; ``references`` holds the answers' tokens alone, ``logprobs`` all targets.

    Raises BackendError for a term that is not finite or returns something else than it should.
    """
    answers = [datum.weights != 0 for datum in datums]
    wanted = [np.asarray(row, np.float64) for row in logprobs]
    shaped = [datum.weights.astype(np.float64) for datum in datums]
    n = sum(int(mask.sum()) for mask in answers)
    loss_sum = -sum(float(np.dot(weights, row)) for weights, row in zip(shaped, wanted, strict=True))
    base_norm = _norm(shaped)
    total = sum(float(weights.sum()) for weights in shaped)
    terms = [LossTerm(name=BASE_TERM, weight=1.0, value=loss_sum / total, gradient_norm=base_norm)]
    for each in regularisers:
        value, slopes = 0.0, []
        for number, (mask, row) in enumerate(zip(answers, wanted, strict=True)):
            reference = references[number] if references is not None else None
            part, slope = _checked(each, row[mask], reference)
            value += part
            slopes.append(each.weight * slope)
            shaped[number][mask] -= slopes[-1]
        terms.append(
            LossTerm(name=each.label, weight=each.weight, value=value / n, gradient_norm=_norm(slopes))
        )
    return Shaped([weights.astype(np.float32) for weights in shaped], loss_sum, tuple(terms))


def _checked(given: Regulariser, logprobs: Array, reference: Array | None) -> tuple[float, Array]:
    value, slope = find_term(given.term)(logprobs, reference)
    slope = np.asarray(slope, np.float64)
    if slope.shape != logprobs.shape:
        raise BackendError(
            f"tinker: regulariser {given.label!r}: its derivative has shape {slope.shape}: "
            f"expected {logprobs.shape}, one for each token"
        )
    if not (np.isfinite(value) and (np.abs(given.weight * slope) < LARGEST).all()):
        raise BackendError(
            f"tinker: regulariser {given.label!r} is {value:g}, or its derivative is out of range; "
            "nothing of this step was applied: try a lower learning_rate"
        )
    return float(value), slope


def _norm(parts: Sequence[Array]) -> float:
    return float(np.sqrt(sum(float(np.dot(part, part)) for part in parts)))
