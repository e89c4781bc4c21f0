"""Which sentences to answer with: the selection with the highest expected F1.

With independent, calibrated probabilities the best selection of size k is the k most probable sentences (Ye,
Chai, Lee and Chieu 2012, theorem on the probability ranking principle for F1), so n + 1 candidates suffice.
The number of true sentences inside and outside the top k follows a Poisson-binomial law, computed exactly.
Rejected: one probability threshold, which is the optimum only in the limit of many sentences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Selection", "expected_f1", "select"]

Floats = npt.NDArray[np.float64]


class Selection(NamedTuple):
    """Chosen positions in rising order and the F1 that they can expect."""

    chosen: tuple[int, ...]
    expected_f1: float


def select(
    probabilities: Floats, *, presence: float | None = None, minimum: int = 0, maximum: int | None = None
) -> Selection:
    """The selection of ``minimum`` to ``maximum`` sentences with the highest expected F1.

    ``presence`` is the probability that any sentence is true, if it is known better than from the product of
    the single ones: the law of the count is then conditioned on it. Of equally probable sentences the earlier
    comes first, of equally good sizes the smaller wins.
    """
    order = np.argsort(-probabilities, kind="stable")
    limit = len(order) if maximum is None else min(maximum, len(order))
    gains = expected_f1(probabilities[order], limit)
    if presence is not None:
        gains[1:] *= presence / max(1.0 - gains[0], 1e-12)
        gains[0] = 1.0 - presence
    lowest = min(minimum, limit)
    size = lowest + int(np.argmax(gains[lowest:]))
    return Selection(tuple(sorted(int(place) for place in order[:size])), float(gains[size]))


def expected_f1(ranked: Floats, limit: int) -> Floats:
    """Expected F1 of answering with the first 0, 1, ..., ``limit`` of falling probabilities.

    Shape (limit + 1,). F1 = 2a / (k + a + b) with a true sentences among the k chosen and b among the rest;
    choosing nothing counts as 1 when nothing is true, else as 0.
    """
    n = len(ranked)
    law = np.ones(1)
    for probability in ranked[limit:][::-1]:
        law = _add(law, probability)
    rest = [law]  # of the count among the sentences from place limit, limit - 1, ..., 0 on
    for probability in ranked[:limit][::-1]:
        rest.append(_add(rest[-1], probability))
    out = np.empty(limit + 1)
    out[0] = rest[limit][0]
    inside = np.ones(1)
    for k in range(1, limit + 1):
        inside = _add(inside, ranked[k - 1])
        outside = rest[limit - k]
        a = np.arange(k + 1)[:, None]
        b = np.arange(n - k + 1)[None, :]
        out[k] = inside @ (2 * a / (k + a + b)) @ outside
    return out


def _add(law: Floats, probability: float) -> Floats:
    """The law of a count after one more independent trial."""
    out = np.zeros(len(law) + 1)
    out[:-1] = law * (1 - probability)
    out[1:] += law * probability
    return out
