"""Signed feature hashing of words and their character trigrams: no model and no fitting.

The default of the topology adapters. Weinberger et al. (2009), *Feature hashing for large scale multitask
learning*: each feature adds its weight, with a sign, to one of 256 cells, both chosen by a hash; inner
products are unbiased, with noise of about 1/16. It sees shared words and word parts, neither order nor
meaning. The hash is BLAKE2b, so the result does not depend on the process (rejected: ``hash``, which is
salted; CRC-32, whose bits are linear in the text). There is no inverse document frequency, since that would
tie a point to the other texts; stop words are dropped instead.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..cns.text import content_tokens

__all__ = ["HashedNgrams"]

DIMENSIONS = 256
TRIGRAMS = 0.5
"""Weight of a word's trigrams together (root of the sum of squares); that of the word itself is 1."""


@lru_cache(maxsize=4_096)
def _cell(feature: str) -> tuple[int, float]:
    """Cell and sign of a feature."""
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "little")
    return number % DIMENSIONS, 1.0 if number >> 31 else -1.0


@lru_cache(maxsize=4_096)
def _word(token: str) -> tuple[bytes, bytes]:
    """Cells (int64) and signed weights (float64) of a word and of the character trigrams of ``^word$``."""
    padded = f"^{token}$"
    trigrams = [padded[i : i + 3] for i in range(len(padded) - 2)]
    features = [
        (f"w {token}", 1.0),
        *((f"t {trigram}", TRIGRAMS / len(trigrams) ** 0.5) for trigram in trigrams),
    ]
    cells = [_cell(feature) for feature, _ in features]
    signed = [sign * weight for (_, sign), (_, weight) in zip(cells, features, strict=True)]
    return np.array([cell for cell, _ in cells], np.int64).tobytes(), np.array(signed).tobytes()


@lru_cache(maxsize=1_024)  # surrogates, persistence and metrics ask for the same claims one after another
def _point(text: str) -> NDArray[np.float64]:
    """The unit vector of a text, read-only, shape (256,)."""
    words = [_word(token) for token in content_tokens(text)]
    cells = np.frombuffer(b"".join([cells for cells, _ in words]), np.int64)
    weights = np.frombuffer(b"".join([weights for _, weights in words]), np.float64)
    point = np.bincount(cells, weights, DIMENSIONS).astype(
        np.float64, copy=False
    )  # whole numbers without words
    point /= math.sqrt(point @ point) or 1.0
    point.flags.writeable = False
    return point


class HashedNgrams:
    """Implements ``Embedder`` in 256 dimensions."""

    method = f"hashed_ngrams-{DIMENSIONS}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, 256). A text of stop words only is the zero vector."""
        return np.array([_point(text) for text in texts], np.float64).reshape(-1, DIMENSIONS)
