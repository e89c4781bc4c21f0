"""Signed feature hashing of word and character n-grams: an embedding without a model and without fitting.

The default of the topology adapters. Weinberger et al. (2009), *Feature hashing for large scale multitask
learning*: each feature adds its weight, with a sign, to one of ``dimensions`` cells, both chosen by a hash;
inner products are unbiased. It sees shared words and word parts, not meaning. The hash is BLAKE2b, so the
result does not depend on the process (rejected: ``hash``, which is salted; CRC-32, whose bits are linear in
the text). There is no inverse document frequency, since that would tie a point to the other texts; stop
words are dropped instead.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..cns.text import content_tokens

__all__ = ["HashedNgrams"]

DIMENSIONS = 256
WORD, PAIR, TRIGRAMS = 1.0, 0.5, 0.5
"""Weights: a word, a pair of neighbouring words, and the root of the summed squares of a word's trigrams."""

Cells = tuple["array[int]", "array[float]"]


@lru_cache(maxsize=65_536)
def _cell(feature: str) -> tuple[int, float]:
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "little")
    return number % DIMENSIONS, 1.0 if number >> 31 else -1.0


@lru_cache(maxsize=32_768)
def _word(token: str) -> Cells:
    """Cells and signed weights of a word and of the character trigrams of ``^word$``."""
    padded = f"^{token}$"
    trigrams = [padded[i : i + 3] for i in range(len(padded) - 2)]
    share = TRIGRAMS / len(trigrams) ** 0.5
    cells = [(_cell(f"w {token}"), WORD), *((_cell(f"t {trigram}"), share) for trigram in trigrams)]
    return (
        array("q", [cell for (cell, _), _ in cells]),
        array("d", [sign * weight for (_, sign), weight in cells]),
    )


@lru_cache(maxsize=4_096)  # surrogates, persistence and metrics ask for the same claims one after another
def _point(text: str) -> NDArray[np.float64]:
    """The unit vector of a text, read-only, shape (256,)."""
    cells, weights, previous = array("q"), array("d"), ""
    for token in content_tokens(text):
        where, what = _word(token)
        cells.extend(where)
        weights.extend(what)
        if previous:
            cell, sign = _cell(f"p {previous} {token}")
            cells.append(cell)
            weights.append(sign * PAIR)
        previous = token
    point: NDArray[np.float64] = np.zeros(DIMENSIONS)
    if cells:
        point[:] = np.bincount(np.frombuffer(cells, np.int64), np.frombuffer(weights), DIMENSIONS)
        point /= math.sqrt(point @ point) or 1.0
    point.flags.writeable = False
    return point


class HashedNgrams:
    """Implements ``Embedder`` in 256 dimensions."""

    method = f"hashed_ngrams-{DIMENSIONS}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, 256). A text of stop words only is the zero vector."""
        return np.array([_point(text) for text in texts]).reshape(-1, DIMENSIONS)
